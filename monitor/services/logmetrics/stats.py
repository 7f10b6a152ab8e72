"""Request metrics of any window, straight from the log. Fulfils ports.requests.RequestStats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from monitor.domain.logs.events import EventRule
from monitor.domain.logs.requests import RequestWindow
from monitor.domain.logs.rules import LogRule, buckets_of
from monitor.ports.logs import LogSource


class LogRequestStats:
    """`source` is called when a window is first asked for: most deploys never ask."""

    def __init__(
        self, source: Callable[[], LogSource], rules: Mapping[str, LogRule], events: Mapping[str, EventRule]
    ) -> None:
        self._source = source
        self._rules = rules
        self._events = events

    def window(self, services: Sequence[str], start: float, end: float) -> dict[str, RequestWindow]:
        """A service of which nothing is counted is left out."""
        wanted = [service for service in services if service in self._rules or service in self._events]
        counts = self._source().window(wanted, start, end) if wanted else {}
        return {service: counts[service].window(buckets_of(self._rules, service)) for service in wanted}
