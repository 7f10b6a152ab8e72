"""The one filter through which texts leave this process or are stored.

It knows every secret that this process has met, for as long as it lives: a container that was started with yesterday's
password may still print it. Whoever reads a secret tells it here (`learn`); whoever writes a text down or sends it
asks for one of `known`, `clean` and `shown`. Cutting a text comes after masking it: half a secret is not recognised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from monitor.domain.mask import Filter, scrub, too_short

Source = Callable[[], None]

_LIKE_A_TOKEN: Final = 16  # characters of a path segment or a query's value that is taken for a secret


class Masking:
    """Thread-safe. Secrets are learned as name and value; the name is what `bgmon check` calls it by."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._names: dict[str, str] = {}
        self._filter: Filter | None = None
        self._sources: tuple[Source, ...] = ()

    def learn(self, values: Mapping[str, str]) -> None:
        """These are secrets; an URL's parts that grant access are, too."""
        with self._lock:
            for name, value in values.items():
                for part in (value, *url_secrets(value)):
                    if part and part not in self._names:
                        self._names[part] = name
                        self._filter = None

    def watch(self, source: Source) -> None:
        """Call `source` before each text; it learns what is new, if anything."""
        with self._lock:
            self._sources += (source,)

    def forget(self) -> None:
        """Know nothing again, as a new process does."""
        with self._lock:
            self._names, self._filter, self._sources = {}, None, ()

    def short(self) -> list[str]:
        """The names of secrets that cannot be masked, because they are too short."""
        self._fresh()
        with self._lock:
            return sorted({name for value, name in self._names.items() if too_short(value)})

    def known(self, text: str) -> str:
        """`text` without the secrets that are known."""
        return self._fresh().text(text)

    def octets(self, data: bytes) -> bytes:
        """As `known`, for bytes; the same object when there was nothing to mask."""
        return self._fresh().data(data)

    def clean(self, text: str) -> str:
        """For what others wrote (logs, answers, hooks): without known secrets, nor what looks like one."""
        return scrub(self.known(text))

    def shown(self, text: str, length: int) -> str:
        """As `clean`, then at most `length` characters of it."""
        return self.clean(text)[:length]

    def document(self, value: Any) -> Any:
        """A JSON-like document with `known` applied to each text in it, keys included."""
        if isinstance(value, str):
            return self.known(value)
        if isinstance(value, Mapping):
            return {self.document(key): self.document(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.document(item) for item in value]
        return value

    def _fresh(self) -> Filter:
        for source in self._sources:
            source()
        made = self._filter
        if made is None:
            with self._lock:
                made = self._filter = Filter(self._names)
        return made


def url_secrets(text: str) -> Iterable[str]:
    """What in an URL grants access when it stands alone: the password, and path segments and values like tokens."""
    if "://" not in text or any(character.isspace() for character in text):
        return ()
    try:
        parts = urlsplit(text)
        found = [parts.password or ""]
    except ValueError:
        return ()
    pieces = [*parts.path.split("/"), *(item.partition("=")[2] for item in parts.query.split("&"))]
    found += [piece for piece in pieces if _like_a_token(piece)]
    return [way for piece in found if piece for way in dict.fromkeys((piece, unquote(piece)))]


def _like_a_token(piece: str) -> bool:
    return (
        len(piece) >= _LIKE_A_TOKEN
        and any(character.isdigit() for character in piece)
        and any(character.isalpha() for character in piece)
    )


_process: Final = Masking()

learn: Final = _process.learn
watch: Final = _process.watch
forget: Final = _process.forget
short: Final = _process.short
known: Final = _process.known
octets: Final = _process.octets
clean: Final = _process.clean
shown: Final = _process.shown
document: Final = _process.document
