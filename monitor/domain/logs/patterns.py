"""Patterns that both forms of a rule share. RE2, written so that Python's `re` reads them alike where it has to."""

from __future__ import annotations

from typing import Final

# Bounded digits: what matches never overflows a float64, whose text forms differ from language to language there.
NUMBER: Final = r"[0-9]{1,18}(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,2})?"
# What Go's time.ParseDuration reads, less signs; ten digits keep it inside of its 64 bits of nanoseconds.
GO_DURATION: Final = (
    r"(?:[0-9]{1,10}(?:\.[0-9]{1,9})?(?:ns|us|\x{b5}s|\x{3bc}s|ms|s)|[0-9]{1,6}(?:\.[0-9]{1,9})?[mh])+|0"
)
DECIMAL_COMMA: Final = "[0-9]{1,15},[0-9]{1,15}"
CLOCK: Final = r"([0-9]{1,6}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,9})?)"
# nginx's times of several upstreams: commas between servers, colons between groups of them, `-` where none answered.
_TIME: Final = r"(?:(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,9})?|-)"
TIMES: Final = rf"{_TIME}(?:(?:, | : ){_TIME})+"
STATUS: Final = "[1-5][0-9][0-9]"

# Quoted text with escapes, and a run without spaces in which quotes pair up: `key=value`, `key="a value"`, a bare word.
ESCAPED: Final = r'[^"\\]*(?:\\.[^"\\]*)*'
QUOTED: Final = f'"{ESCAPED}"'
PAIR: Final = rf'[^\s"]*(?:{QUOTED}[^\s"]*)*'

_UNIT: Final = r"(?:[num]|[^\x00-\x7f]{1,2})?s"  # the Greek letter is one character, or two bytes
PLAIN_TIME: Final = r"[0-9]+(?:[.,][0-9]*)?(?:[eE][-+]?[0-9]+)?"
TIMED: Final = rf"[0-9]+(?:[.,][0-9]+)? ?{_UNIT}"
SOME_TIME: Final = rf"(?:{TIMED}|{PLAIN_TIME}|[0-9]+:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]+)?|PT[0-9][0-9HMS.]*)"


def request(suffix: str = "") -> str:
    """A request line between its quotes, with groups for method and path. Of a whole URL the path counts."""
    return rf"(?:(?P<method{suffix}>[A-Z]+) (?:https?://[^/\s\"\\]*)?(?P<path{suffix}>[^\s\"\\]*){ESCAPED}|{ESCAPED})"
