"""Boards and generated files as plain data."""
