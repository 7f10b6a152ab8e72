"""Boards as one HTML page with SVG charts, without any program but a browser."""
