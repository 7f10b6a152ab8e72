"""What the proxy routes, and how it is set up, as plain data."""
