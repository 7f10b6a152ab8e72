"""Fakes of every port, shipped, and held to the same tests as the real adapters."""
