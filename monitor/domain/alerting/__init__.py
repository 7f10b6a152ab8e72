"""Conditions and alerts: who is told what, when, and what inhibits it."""
