"""One module per command: arguments in, text or JSON out, no decisions."""

from __future__ import annotations

from typing import Final

ARGV: Final = "bgmon.argv"
"""Where the context's meta holds the command and its arguments as they were given."""
