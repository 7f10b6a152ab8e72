"""Alerts: who is told what, kept through crashes, and delivered without being in anyone's way."""
