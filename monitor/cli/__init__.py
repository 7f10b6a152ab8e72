"""One module per command: arguments in, text or JSON out, no decisions."""
