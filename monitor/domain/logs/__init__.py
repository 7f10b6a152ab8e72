"""Log lines to request counts: one definition a format, in Python and in LogQL."""
