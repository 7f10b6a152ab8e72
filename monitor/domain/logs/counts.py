"""What was counted in the lines of one service's log: what both sources give, and the state and the metrics take."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.domain.logs.requests import RequestWindow

INF: Final = "+Inf"
NANOS: Final = 1_000_000_000


@dataclass(slots=True)
class RouteCounts:
    """Requests of one route, as `Counts` has them."""

    codes: dict[str, int] = field(default_factory=dict)
    buckets: dict[str, int] = field(default_factory=dict)
    nanos: int = 0

    def add(self, other: RouteCounts | Counts) -> None:
        _merge(self.codes, other.codes)
        _merge(self.buckets, other.buckets)
        self.nanos += other.nanos

    def beyond(self, earlier: RouteCounts) -> RouteCounts:
        return RouteCounts(
            _growth(self.codes, earlier.codes),
            _growth(self.buckets, earlier.buckets),
            max(0, self.nanos - earlier.nanos),
        )


@dataclass(slots=True)
class Counts:
    """Sums that only grow.

    `codes` counts requests by HTTP status ("200"). `buckets` counts durations by the smallest bound that holds them
    (not cumulative), keyed as Prometheus writes it. `nanos` is the sum of durations; whole nanoseconds, so that
    sums are exact in any order. `lines` are all lines, `ignored` those that are left out, such as health checks,
    `unparsed` those that say nothing of a request: `lines` = requests + `ignored` + `unparsed`.
    `events` counts lines of the service's own output by the names of `logs.count`, whatever else they are.
    `routes` has the requests once more, by `routes.route_key`, where routes are told apart.
    """

    codes: dict[str, int] = field(default_factory=dict)
    buckets: dict[str, int] = field(default_factory=dict)
    nanos: int = 0
    lines: int = 0
    unparsed: int = 0
    ignored: int = 0
    events: dict[str, int] = field(default_factory=dict)
    routes: dict[str, RouteCounts] = field(default_factory=dict)

    def add(self, other: Counts) -> None:
        _merge(self.codes, other.codes)
        _merge(self.buckets, other.buckets)
        self.nanos += other.nanos
        self.lines += other.lines
        self.unparsed += other.unparsed
        self.ignored += other.ignored
        _merge(self.events, other.events)
        for key, more in other.routes.items():
            self.routes.setdefault(key, RouteCounts()).add(more)

    def beyond(self, earlier: Counts) -> Counts:
        """What this look at a window saw that an earlier look did not; nothing that shrank counts as negative."""
        return Counts(
            codes=_growth(self.codes, earlier.codes),
            buckets=_growth(self.buckets, earlier.buckets),
            nanos=max(0, self.nanos - earlier.nanos),
            lines=max(0, self.lines - earlier.lines),
            unparsed=max(0, self.unparsed - earlier.unparsed),
            ignored=max(0, self.ignored - earlier.ignored),
            events=_growth(self.events, earlier.events),
            routes={key: now.beyond(earlier.routes.get(key, RouteCounts())) for key, now in self.routes.items()},
        )

    @property
    def empty(self) -> bool:
        numbers = (self.lines, self.nanos, self.unparsed, self.ignored)
        return not (any(numbers) or self.codes or self.buckets or self.events)

    def window(self, bounds: Iterable[float]) -> RequestWindow:
        """As `RequestWindow` has it: buckets cumulative at `bounds` and +Inf, the sum in seconds."""
        return RequestWindow(
            codes=dict(sorted(self.codes.items())),
            buckets=self.cumulative(bounds),
            duration_sum=self.nanos / NANOS,
            unparsed=self.unparsed,
            events=dict(self.events),
        )

    def cumulative(self, bounds: Iterable[float]) -> dict[str, int]:
        """Durations up to each bound. Exact where the durations were counted by at least these bounds."""
        return cumulative(self.buckets, bounds)


def cumulative(buckets: Mapping[str, int], bounds: Iterable[float]) -> dict[str, int]:
    """Counts up to each bound and +Inf, of counts by the smallest bound."""
    wanted = sorted(bounds)
    totals = [0] * (len(wanted) + 1)
    for le, count in buckets.items():
        totals[bisect_left(wanted, float(le))] += count
    result: dict[str, int] = {}
    running = 0
    for bound, count in zip([*wanted, float("inf")], totals, strict=True):
        running += count
        result[le_text(bound)] = running
    return result


def le_text(bound: float) -> str:
    """A bound as Prometheus' own clients write it.

    >>> [le_text(bound) for bound in (0.005, 1, 2.5, float("inf"))]
    ['0.005', '1.0', '2.5', '+Inf']
    """
    return INF if bound == float("inf") else repr(float(bound))


def _merge(into: dict[str, int], other: Mapping[str, int]) -> None:
    for key, count in other.items():
        into[key] = into.get(key, 0) + count


def _growth(now: Mapping[str, int], earlier: Mapping[str, int]) -> dict[str, int]:
    return {key: count - earlier.get(key, 0) for key, count in now.items() if count > earlier.get(key, 0)}
