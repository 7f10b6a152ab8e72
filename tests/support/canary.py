"""Secrets to look for: every way in which a program may write one down, and every part that a cut may leave of it."""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

_TELLING = 12  # so many characters of a form in a row are no chance


def spellings(value: str) -> dict[str, str]:
    """By the name of the spelling."""
    data = value.encode()
    return {
        "raw": value,
        "json": json.dumps(value),
        "json, not ascii": json.dumps(value, ensure_ascii=False),
        "json in json": json.dumps(json.dumps(value)),
        "url": quote(value, safe=""),
        "url, lower case": quote(value, safe="").lower() if value.islower() else quote(value),
        "form": quote_plus(value),
        "html": html.escape(value),
        "repr": repr(value),
        "shell": shlex.quote(value),
        "shell, spliced": "'" + value.replace("'", r"'\''") + "'",
        "shell in json": json.dumps(shlex.quote(value)),
        "shell in html": html.escape(shlex.quote(value)),
        "base64": base64.b64encode(data).decode(),
        "base64 url": base64.urlsafe_b64encode(data).decode(),
        "base64 without padding": base64.b64encode(data).decode().rstrip("="),
        "base64 in a pair": base64.b64encode(b"user:" + data).decode(),
        "base64 behind one byte": base64.b64encode(b"x" + data + b"yz").decode(),
        "hex": data.hex(),
    }


class Canaries:
    """`secrets` by name; no two share a part, so that what is found has one name."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._parts: dict[bytes, str] = {}
        for name, value in secrets.items():
            for spelling, text in spellings(value).items():
                for part in _parts(text.strip("'\"")):
                    self._parts.setdefault(part, f"{name} as {spelling}")

    def found(self, data: bytes) -> set[str]:
        """Which secrets are in it, even in part, and in which spelling."""
        windows = {data[at : at + _TELLING] for at in range(len(data) - _TELLING + 1)}
        return {self._parts[part] for part in windows & self._parts.keys()}


def _parts(text: str) -> Iterator[bytes]:
    # Of a pair or of what begins behind one byte, the first characters tell nothing of the secret.
    data = text.encode()
    yield from (data[at : at + _TELLING] for at in range(len(data) - _TELLING + 1))
