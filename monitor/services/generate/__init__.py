"""Dashboards, rules and provisioning files out of bgmon.yml."""
