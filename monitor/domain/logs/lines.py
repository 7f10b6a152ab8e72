"""What a line is before anything is read out of it: where it ends, and what is taken off it."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

BOM: Final = b"\xef\xbb\xbf"
# What Loki's `decolorize` takes out, for bytes: U+009B is two of them.
_ANSI: Final = (
    r"(?:\x1b|\xc2\x9b)[\[\]()#;?]*(?:(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*)?\x07"
    r"|(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~])"
)
MARKS: Final = (b"\x1b", b"\xc2\x9b", BOM)
"""Bytes without which there is nothing to take off but a CR at the end."""


def split_lines(data: bytes) -> list[bytes]:
    """The lines of a text: only LF ends one. What comes last counts with or without it."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def clean(line: bytes, *, unquote: bool = False) -> bytes:
    r"""The line without colors (ANSI sequences), a byte order mark at its start and a CR at its end.

    With `unquote`, a line that is one pair of quotes is what stands between them.

    >>> clean(b"\x1b[32mGET /\x1b[0m 200\r"), clean(b'"status=200"', unquote=True)
    (b'GET / 200', b'status=200')
    """
    if b"\x1b" in line or b"\xc2\x9b" in line:
        line = _ansi().sub(b"", line)
    line = line.removeprefix(BOM).removesuffix(b"\r")
    if unquote and line[:1] == b'"' and line[-1:] == b'"' and line.count(b'"') == 2:  # noqa: PLR2004 - one pair
        return line[1:-1]
    return line


@cache
def _ansi() -> Any:
    from monitor.domain.logs.text import compile_re2

    return compile_re2(_ANSI)
