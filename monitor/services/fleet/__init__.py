"""One command on many hosts."""
