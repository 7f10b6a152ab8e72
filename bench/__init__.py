"""Benchmarks of bgmon; see __main__.py."""
