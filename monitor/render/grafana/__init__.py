"""Grafana's dashboard JSON, built from boards as data."""
