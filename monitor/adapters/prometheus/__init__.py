"""Prometheus: the exposition of our metrics, and queries to its HTTP API."""
