"""bgmon.yml: schema, loader and the messages for whoever mistyped."""
