"""What a command with `--json` prints on another host, as events or as one document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from monitor.errors import BgmonError, DeployFailed, LockedError, UnreachableError, UsageError

_BY_CODE: dict[int, type[BgmonError]] = {
    error.exit_code: error for error in (UsageError, LockedError, UnreachableError)
}


class Events:
    """Reads lines of JSON objects; what else is said is kept for the error."""

    def __init__(self, told: Callable[[Mapping[str, Any]], None]) -> None:
        self._told = told
        self._failed: Mapping[str, Any] | None = None
        self._said: list[str] = []

    def piece(self, stream: str, text: str) -> None:
        event = _object(text) if stream == "out" else None
        if event is None or "event" not in event:
            self._said = [*self._said[-20:], text.rstrip("\n")]
            return
        if event["event"] == "failed":
            self._failed = event
        self._told(event)

    def error(self, host: str, code: int) -> BgmonError:
        """What a command that ended with `code` failed of."""
        kind = _BY_CODE.get(code, DeployFailed)
        if self._failed is not None:
            return kind(f"{host}: {self._failed.get('error')}", hint=str(self._failed.get("hint", "")))
        return kind(f"{host}: exit code {code}: {' '.join(self._said)[-500:] or 'it said nothing'}")


class Document:
    """Collects one JSON document, and what was said besides."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self.said: list[str] = []

    def piece(self, stream: str, text: str) -> None:
        (self._out if stream == "out" else self.said).append(text)

    def value(self) -> Any:
        """The document; None when it was none."""
        text = "".join(self._out)
        try:
            return json.loads(text)
        except ValueError:
            return _object(text.strip().splitlines()[-1]) if text.strip() else None


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
