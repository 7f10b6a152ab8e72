"""Loki as a log source."""
