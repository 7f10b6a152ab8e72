"""What of a Compose file has been looked at. Whatever nobody took is named, so that nothing is lost without a word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.domain.printable import printable

_SECRET_NAME: Final = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE|DSN|DATABASE_URL|(?:^|_)(?:KEY|PASS|PW|PWD|SALT|AUTH)$|API_?KEY"
    r"|_KEY_|KEY_BASE",
    re.IGNORECASE,
)
_FILE_NAME: Final = re.compile(r"_(?:FILE|PATH|DIR)$", re.IGNORECASE)  # where a secret is, not what it is
_SECRET_VALUE: Final = re.compile(r"://[^/\s@]*:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY|^eyJ[\w-]+\.[\w-]+\.")
_SHORT: Final = 40
WHOLE: Final = ""  # the service whose notes are about the file


class Ledger:
    """A mapping whose keys are taken one by one.

    Args:
        data: the mapping; anything else counts as empty.
        path: how its keys are named, for instance `deploy.`.
    """

    def __init__(self, data: Any, path: str = "") -> None:
        self._data: dict[str, Any] = dict(data) if isinstance(data, Mapping) else {}
        self._path = path
        self._inner: list[Ledger] = []

    def take(self, key: str) -> Any:
        """The value, or None; it counts as taken over, or as named by whoever asked."""
        return self._data.pop(key, None)

    def section(self, key: str) -> Ledger:
        """A nested mapping, whose keys are taken one by one in turn."""
        inner = Ledger(self._data.pop(key) if isinstance(self._data.get(key), Mapping) else {}, f"{self._path}{key}.")
        self._inner.append(inner)
        return inner

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def left(self) -> list[str]:
        """The keys that nobody took, nested ones with dots."""
        own = [
            f"{self._path}{shown(key, value)}" for key, value in self._data.items() if value not in (None, [], {}, "")
        ]
        return own + [key for inner in self._inner for key in inner.left()]


def shown(key: str, value: Any) -> str:
    """The key, with what is in it: a short value that is no secret, the items of a list, the keys of a mapping."""
    if isinstance(value, Mapping):
        return f"{key} ({', '.join(shown(str(name), item) for name, item in value.items())})" if value else key
    if isinstance(value, list):
        return f"{key} ({', '.join(_item(key, item) for item in value)})" if value else key
    short = isinstance(value, str | int | float) and len(str(value)) <= _SHORT and not looks_secret(key, str(value))
    return f"{key} ({value})" if short else key


def _item(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(shown(str(name), item) for name, item in value.items())
    text = str(value)
    return "..." if len(text) > _SHORT or looks_secret(key, text) else text


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable's value is none for a file or a message: by its name, or by what it holds."""
    named = _SECRET_NAME.search(name) is not None and _FILE_NAME.search(name) is None
    return named or _SECRET_VALUE.search(value) is not None


@dataclass(frozen=True, slots=True)
class Note:
    """`at` is the key of bgmon.yml above which it stands as a comment; empty for the end of its service."""

    service: str
    text: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.service}: {self.text}" if self.service else self.text


@dataclass(slots=True)
class Notes:
    """Notes in the order in which they were made."""

    made: list[Note] = field(default_factory=list)

    def add(self, service: str, text: str, at: str = "") -> None:
        self.made.append(Note(service, printable(text, 600), at))


def items(value: Any) -> list[Any]:
    """A list out of what Compose lets be a list or one value."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def pairs(value: Any) -> dict[str, str | None]:
    """A mapping out of `{A: b}` or `[A=b, C]`; None where no value is given."""
    if isinstance(value, Mapping):
        return {str(key): None if item is None else str(item) for key, item in value.items()}
    found: dict[str, str | None] = {}
    for item in items(value):
        key, equals, text = str(item).partition("=")
        found[key] = text if equals else None
    return found


def truth(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "on", "1")
