"""Where the status page and the API get their picture from."""

from __future__ import annotations

from typing import Protocol

from monitor.domain.health.status import IncidentView, StatusSnapshot


class StatusSource(Protocol):
    """Answers from memory or the state file at once; safe from any thread."""

    def snapshot(self, now: float) -> StatusSnapshot: ...

    def incidents(self, *, service: str | None = None, limit: int = 50) -> list[IncidentView]: ...
