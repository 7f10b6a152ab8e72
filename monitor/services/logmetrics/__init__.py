"""Request metrics out of logs."""
