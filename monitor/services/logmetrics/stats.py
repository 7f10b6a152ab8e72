"""Request metrics of any window, straight from the log. Fulfils ports.requests.RequestStats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from monitor.domain.logs.requests import RequestWindow
from monitor.domain.logs.rules import LogRule
from monitor.ports.logs import LogSource


class LogRequestStats:
    """Both are called when a window is asked for: most deploys never ask, and bgmon.yml may change meanwhile."""

    def __init__(self, source: Callable[[], LogSource], rules: Callable[[], Mapping[str, LogRule]]) -> None:
        self._source = source
        self._rules = rules

    def window(self, services: Sequence[str], start: float, end: float) -> dict[str, RequestWindow]:
        """A service without a rule is left out."""
        rules = self._rules()
        wanted = [service for service in services if service in rules]
        counts = self._source().window(wanted, start, end) if wanted else {}
        return {service: counts[service].window(rules[service].buckets) for service in wanted}
