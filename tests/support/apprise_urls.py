"""An URL for nearly every service that apprise knows, made of its own templates."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

_LIKELY: Final = (
    "example.com", "+15551234567", "15551234567", "user@example.com", "abc123", "a" * 8, "a" * 10, "a" * 12, "a" * 16,
    "1" * 10, "a" * 20, "a" * 24, "a" * 30, "a" * 32, "1" * 32, "a" * 36, "a" * 40, "a" * 64,
    "12345678-1234-1234-1234-123456789abc", "AAAAAAAA-AAAA", "1234567890:" + "a" * 35, "#channel", "@user",
    "xoxb-1-2-abc", "a-b", "A1B2C3D4E", "AB12-CD34",
)  # fmt: skip
_USUAL: Final = {"host": "example.com", "user": "user", "password": "s3cretpass", "targets": "target"}


def apprise_urls() -> Iterator[tuple[str, str]]:
    """Each service's class name and an URL that apprise takes for it; services whose form is not found are left out."""
    from apprise import Apprise

    said = logging.getLogger("apprise")
    before, said.disabled = said.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for service in Apprise().details()["schemas"]:
                for url in _candidates(service):
                    channel = Apprise.instantiate(url, suppress_exceptions=True)
                    if channel is not None:
                        yield type(channel).__name__, url
                        break
    finally:
        said.disabled = before


def _candidates(service: dict[str, Any]) -> Iterator[str]:
    schema = [*(service["secure_protocols"] or []), *(service["protocols"] or [])][0]
    tokens = service["details"]["tokens"]
    for template in service["details"]["templates"]:
        values = {name: _value(name, tokens) for name in re.findall(r"\{(\w+)\}", template) if name != "schema"}
        if None not in values.values():
            filled = {name: quote(str(value), safe="+@#") for name, value in values.items()} | {"schema": schema}
            yield re.sub(r"\{(\w+)\}", lambda match, filled=filled: filled[match[1]], template)  # type: ignore[misc]


def _value(name: str, tokens: dict[str, Any]) -> str | None:
    token = tokens.get(name, {})
    if "group" in token and "regex" not in token:
        members = [tokens[member] for member in token["group"] if member in tokens]
        return next((str(m.get("prefix") or "") + found for m in members if (found := _of(name, m))), None)
    return _of(name, token)


def _of(name: str, token: dict[str, Any]) -> str | None:
    if values := token.get("values"):
        return str(next(iter(values)))
    if "int" in token.get("type", ""):
        return str(token.get("min", 1) or 1)
    if "regex" not in token:
        return _USUAL.get(name, "abc123")
    pattern = token["regex"][0] if isinstance(token["regex"], (tuple, list)) else token["regex"]
    return next((text for text in _LIKELY if re.match(pattern, text, re.IGNORECASE)), None)
