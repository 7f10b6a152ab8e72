"""In which forms a secret may stand in a text, as regular expressions over bytes for RE2.

One expression covers the ways in which a program writes the value down: as it is, escaped for JSON, HTML, a shell or
Python, URL-encoded with whatever its encoder leaves alone, base64 at any alignment and hexadecimal. Spelled character
by character, mixed forms (half an URL encoded, JSON within JSON) need no expressions of their own.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final

SHORTEST: Final = 6  # characters; a shorter value would take innocent words and numbers apart

# Lines that many keys have in common tell nothing.
_ARMOUR: Final = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_BASE64: Final = {
    "+": r"(?:[+-]|%2[bB])",
    "/": r"(?:\\*[/_]|%2[fF])",
}
_ANY64: Final = "[A-Za-z0-9+/_-]"
_WRAPPED: Final = (64, 76)  # where PEM and MIME break lines
_BREAK: Final = r"(?:\\+[rn]|[\r\n])*"
_ENTITIES: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_LETTERS: Final = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}


def expressions(value: str) -> Iterator[bytes]:
    """Everything to look for when `value` is a secret; nothing when it is too short."""
    for text in dict.fromkeys(_texts(value)):
        yield _spelled(text)
        data = text.encode("utf-8", "surrogatepass")
        yield from _base64(data)
        yield _any_case(data.hex())


def _texts(value: str) -> Iterator[str]:
    """The value, and each of its lines: logs are read line by line."""
    if len(value) >= SHORTEST:
        yield value
    lines = value.splitlines()
    for line in lines if len(lines) > 1 else [value]:
        text = line.strip()
        if len(text) >= SHORTEST and not _ARMOUR.fullmatch(text):
            yield text


def _spelled(text: str) -> bytes:
    return b"".join(_character(character) for character in text)


def _character(character: str) -> bytes:
    if character != "'":
        return _form(character)
    # In a shell's quoted word, one ends the quotes, stands behind a backslash or in other quotes, and begins them anew.
    quote, others = _form("'"), _form('"')
    return b"(?:" + quote + b"(?:" + others + quote + others + quote + b"|" + quote * 2 + b")?)"


def _form(character: str) -> bytes:
    if character.isascii() and character.isalnum():
        return character.encode()
    raw = character.encode("utf-8", "surrogatepass")
    ways = [_raw(character, raw)]
    ways.append(b"".join(b"%(?:25)?" + _any_case(f"{byte:02x}") for byte in raw))
    ways.append(b"".join(rb"\\+x" + _any_case(f"{byte:02x}") for byte in raw))
    units = character.encode("utf-16-be", "surrogatepass").hex()
    ways.append(b"".join(rb"\\+u" + _any_case(units[at : at + 4]) for at in range(0, len(units), 4)))
    if character in _LETTERS:
        ways.append(rb"\\+" + _LETTERS[character].encode())
    if character == "\n":
        ways += [rb"\r\n", rb"\\+r\\+n", b"%0[dD]%0[aA]"]
    if character == " ":
        ways.append(rb"\+")
    if character.isascii() and character.isprintable():
        ways.append(b"&#(?:0*%d|[xX]0*%s);" % (ord(character), _any_case(f"{ord(character):x}")))
    if character in _ENTITIES:
        ways.append(f"&{_ENTITIES[character]};".encode())
    return b"(?:" + b"|".join(ways) + b")"


def _raw(character: str, raw: bytes) -> bytes:
    """As it stands, perhaps behind backslashes."""
    if character == "\\":
        return rb"\\+"
    literal = b"".join(rb"\x%02x" % byte for byte in raw)
    return rb"\\*" + literal if character.isprintable() else literal


def _any_case(digits: str) -> bytes:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits).encode()


def _base64(data: bytes) -> Iterator[bytes]:
    """Each alignment it may have inside of a longer text, and the pieces of wrapped lines.

    Characters that also carry bits of a neighbour differ with it, so that they are no part of what is looked for; where
    they stand, they are taken along.
    """
    wraps = len(data) > min(_WRAPPED) * 3 // 4
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        text = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        core = text[skipped : len(text) - bool((before + len(data)) % 3)]
        head = f"{_ANY64}?" if skipped else ""
        yield f"{head}{_loose(core, wrapped=wraps)}(?:{_ANY64}?(?:=|%3[dD]){{1,2}})?".encode()
    if wraps:
        whole = base64.b64encode(data).decode().rstrip("=")
        for width in _WRAPPED:
            for at in range(0, len(whole), width):
                piece = whole[at : at + width]
                if len(piece) >= 2 * SHORTEST:
                    yield _loose(piece, wrapped=False).encode()


def _loose(text: str, *, wrapped: bool) -> str:
    return (_BREAK if wrapped else "").join(_BASE64.get(character, character) for character in text)
