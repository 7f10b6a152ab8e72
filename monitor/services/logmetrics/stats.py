"""Request metrics of any window, straight from the log. Fulfils ports.requests.RequestStats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from monitor.domain.logs.events import EventRule
from monitor.domain.logs.requests import RequestWindow
from monitor.domain.logs.rules import LogRule, buckets_of
from monitor.ports.logs import LogSource

Rules = tuple[Mapping[str, LogRule], Mapping[str, EventRule]]
"""What is counted in each service's log: requests, and events."""


class LogRequestStats:
    """Both are called when a window is asked for: most deploys never ask, and bgmon.yml may change meanwhile."""

    def __init__(self, source: Callable[[], LogSource], rules: Callable[[], Rules]) -> None:
        self._source = source
        self._rules = rules

    def window(self, services: Sequence[str], start: float, end: float) -> dict[str, RequestWindow]:
        """A service of which nothing is counted is left out."""
        rules, events = self._rules()
        wanted = [service for service in services if service in rules or service in events]
        counts = self._source().window(wanted, start, end) if wanted else {}
        return {service: counts[service].window(buckets_of(rules, service)) for service in wanted}
