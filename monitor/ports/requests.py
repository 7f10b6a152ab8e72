"""Request metrics, as a deploy's bake and the watchdog's `degraded` state read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from monitor.domain.logs.requests import RequestWindow


class RequestStats(Protocol):
    def window(self, services: Sequence[str], start: float, end: float) -> Mapping[str, RequestWindow]:
        """Requests in (start, end], unix seconds. Raises SourceUnreachable or SourceError."""
        ...
