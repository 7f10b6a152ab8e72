"""Grafana's HTTP API."""
