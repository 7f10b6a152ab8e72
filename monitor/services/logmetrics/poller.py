"""The job that keeps request counters up to date: read, count, commit."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.events import EventRule
from monitor.domain.logs.requests import RequestWindow
from monitor.domain.logs.rules import LogRule, buckets_of
from monitor.errors import SourceError, UnreachableError
from monitor.ports.logs import Batch, LogSource, LogStore

_MOST_ROUNDS = 50  # of one poll; what is left waits for the next, so that a long catch-up does not hold up the rest
_REMEMBERED = 900.0  # seconds of counts that `window` can look back on


@dataclass(frozen=True, slots=True)
class PollReport:
    """`error` is why the source could not be read; `behind`: there is more to be had, the next poll goes on."""

    lines: int = 0
    error: str = ""
    warnings: tuple[str, ...] = ()
    behind: bool = False


@dataclass(slots=True)
class SourceState:
    """What metrics say of the source. Times are unix seconds, None before the first poll.

    `rules`, and the names of `events`, are by service.
    """

    source: str
    up: bool = False
    polled_at: float | None = None
    until: float | None = None
    warnings: int = 0
    totals: dict[str, Counts] = field(default_factory=dict)
    rules: Mapping[str, LogRule] = field(default_factory=dict)
    events: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class LogPoller:
    """Safe to call from several threads; one poll runs at a time. Fulfils ports.requests.RequestStats as well."""

    def __init__(
        self,
        source: LogSource,
        store: LogStore,
        rules: Mapping[str, LogRule] | None = None,
        events: Mapping[str, EventRule] | None = None,
    ) -> None:
        self._source = source
        self._store = store
        self._rules = rules or {}
        self._events = events or {}
        self._recent: deque[tuple[float, Mapping[str, Counts]]] = deque()
        self._lock = threading.Lock()
        self._up = False
        self._polled_at: float | None = None

    def poll(self, now: float) -> PollReport:
        """Count what came since the last poll. A source that fails is reported, never raised; raises StateError."""
        with self._lock:
            self._polled_at = now
            lines = 0
            warnings: list[str] = []
            for _ in range(_MOST_ROUNDS):
                progress = self._store.progress(self._source.name)
                try:
                    batch = self._source.collect(progress.cursor, now)
                except (UnreachableError, SourceError) as error:
                    self._up = False
                    return PollReport(lines, str(error), tuple(warnings), behind=True)
                self._up = True
                if not self._store.commit(self._source.name, progress.cursor, batch):
                    self._source.reset()
                    return PollReport(lines, "another process counts this log too", tuple(warnings))
                self._remember(batch)
                lines += sum(counts.lines for counts in batch.counts.values())
                warnings += batch.warnings
                if not batch.more:
                    return PollReport(lines, "", tuple(warnings))
            return PollReport(lines, "", tuple(warnings), behind=True)

    def window(self, services: Sequence[str], start: float, end: float) -> dict[str, RequestWindow]:
        """What was counted in (start, end] by this process: cheap, and as coarse as the polls are."""
        found = {service: Counts() for service in services if service in self._rules or service in self._events}
        for until, counts in tuple(self._recent):
            if start < until <= end:
                for service in found.keys() & counts.keys():
                    found[service].add(counts[service])
        return {service: counts.window(buckets_of(self._rules, service)) for service, counts in found.items()}

    def _remember(self, batch: Batch) -> None:
        if batch.counts:
            self._recent.append((batch.until, batch.counts))
        while self._recent and self._recent[0][0] < batch.until - _REMEMBERED:
            self._recent.popleft()

    def state(self) -> SourceState:
        """As of the last commit."""
        progress = self._store.progress(self._source.name)
        return SourceState(
            self._source.name,
            self._up,
            self._polled_at,
            progress.until,
            progress.warnings,
            self._store.totals(),
            self._rules,
            {service: rule.names for service, rule in self._events.items()},
        )

    def close(self) -> None:
        self._source.close()
