"""Request counters as Prometheus metrics, read from the state at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitor.adapters.counting import CountingCollector
from monitor.domain.logs.counts import NANOS, Counts, RouteCounts, cumulative
from monitor.domain.logs.requests import DEFAULT_BUCKETS
from monitor.domain.logs.routes import OTHER, split_key
from monitor.domain.logs.rules import LogRule
from monitor.domain.names import (
    METRIC_DURATION,
    METRIC_LOG_EVENTS,
    METRIC_LOG_LINES,
    METRIC_LOG_SOURCE_LAG,
    METRIC_LOG_SOURCE_UP,
    METRIC_LOG_SOURCE_WARNINGS,
    METRIC_LOG_UNPARSED,
    METRIC_REQUESTS,
)
from monitor.errors import BgmonError


class _State(Protocol):
    @property
    def source(self) -> str: ...
    @property
    def up(self) -> bool: ...
    @property
    def until(self) -> float | None: ...
    @property
    def warnings(self) -> int: ...
    @property
    def totals(self) -> Mapping[str, Counts]: ...
    @property
    def rules(self) -> Mapping[str, LogRule]: ...
    @property
    def events(self) -> Mapping[str, tuple[str, ...]]: ...


# Told as 0 from the start: what servers and proxies answer on ordinary days and on bad ones.
USUAL_CODES: Final = (
    "200", "201", "204", "301", "302", "304", "307", "308",
    "400", "401", "403", "404", "405", "429", "499", "500", "502", "503", "504",
)  # fmt: skip


class RequestCollector(CountingCollector):
    """Register it with a prometheus_client registry.

    Args:
        state: what there is to tell, as LogPoller.state gives it.
        now: unix seconds, for the source's lag.
    """

    def __init__(self, state: Callable[[], _State], now: Callable[[], float]) -> None:
        self._state = state
        self._now = now

    def describe(self) -> list[Metric]:
        return []  # registering asks nothing of the state

    def collect(self) -> Iterator[Metric]:
        try:
            state = self._state()
        except BgmonError:
            return  # a scrape must not fail as a whole; the daemon says what is wrong
        shown = {name: state.totals.get(name, Counts()) for name in sorted(state.rules)}
        yield from request_metrics(shown, state.rules, codes=USUAL_CODES)
        yield event_metrics(state.totals, state.events)
        up = GaugeMetricFamily(
            METRIC_LOG_SOURCE_UP, "Whether the last look at the log source succeeded.", labels=["source"]
        )
        up.add_metric([state.source], float(state.up))
        yield up
        lag = GaugeMetricFamily(
            METRIC_LOG_SOURCE_LAG, "Seconds between now and the newest log lines that are counted.", labels=["source"]
        )
        if state.until is not None:
            lag.add_metric([state.source], max(0.0, self._now() - state.until))
        yield lag
        yield _warnings(state)

    def before(self) -> Iterator[Metric]:
        try:
            state = self._state()
        except BgmonError:
            return
        totals = state.totals
        asked = {*state.rules, *(name for name, count in totals.items() if count.lines)}
        every = {name: totals.get(name, Counts()) for name in sorted(asked)}
        yield from request_metrics(every, state.rules, codes=USUAL_CODES)
        names = {name: (*count.events, *state.events.get(name, ())) for name, count in totals.items()}
        yield event_metrics(totals, {**state.events, **names})
        yield _warnings(state)


def _warnings(state: _State) -> Metric:
    family = CounterMetricFamily(
        METRIC_LOG_SOURCE_WARNINGS, "Warnings of the log source, such as partial answers.", labels=["source"]
    )
    family.add_metric([state.source], float(state.warnings))
    return family


def request_metrics(
    counts: Mapping[str, Counts], rules: Mapping[str, LogRule], *, codes: Sequence[str] = ()
) -> Iterator[Metric]:
    """The metrics of the given services; `codes` are told even where none was counted."""
    requests = CounterMetricFamily(METRIC_REQUESTS, "HTTP requests by status code.", labels=["service", "code"])
    durations = HistogramMetricFamily(METRIC_DURATION, "Durations of HTTP requests.", labels=["service"])
    lines = CounterMetricFamily(METRIC_LOG_LINES, "Log lines read for request metrics.", labels=["service"])
    unparsed = CounterMetricFamily(
        METRIC_LOG_UNPARSED, "Log lines in which no request could be found.", labels=["service"]
    )
    for service, count in counts.items():
        if service in rules and rules[service].routes:
            _add_routes(requests, durations, service, count, rules[service].buckets)
            lines.add_metric([service], count.lines)
            unparsed.add_metric([service], count.unparsed)
            continue
        for code, number in sorted({**dict.fromkeys(codes, 0), **count.codes}.items()):
            requests.add_metric([service, code], number)
        bounds = rules[service].buckets if service in rules else DEFAULT_BUCKETS
        durations.add_metric([service], list(count.cumulative(bounds).items()), count.nanos / NANOS)
        lines.add_metric([service], count.lines)
        unparsed.add_metric([service], count.unparsed)
    yield from (requests, durations, lines, unparsed)


def _add_routes(requests: Metric, durations: Metric, service: str, count: Counts, bounds: Sequence[float]) -> None:
    """The requests of a service by its routes; `other` from the start."""
    for key, routed in {OTHER: RouteCounts(), **count.routes}.items():
        route, method = split_key(key)
        labels = {"service": service, "route": route, **({"method": method} if method else {})}
        codes = {**dict.fromkeys(USUAL_CODES if key == OTHER else (), 0), **routed.codes}
        for code, number in sorted(codes.items()):
            requests.add_sample(METRIC_REQUESTS, {**labels, "code": code}, number)
        buckets = cumulative(routed.buckets, bounds)
        for le, number in buckets.items():
            durations.add_sample(f"{METRIC_DURATION}_bucket", {**labels, "le": le}, number)
        durations.add_sample(f"{METRIC_DURATION}_count", labels, buckets["+Inf"])
        durations.add_sample(f"{METRIC_DURATION}_sum", labels, routed.nanos / NANOS)


def event_metrics(counts: Mapping[str, Counts], events: Mapping[str, Sequence[str]]) -> Metric:
    """The events of these names, by service; 0 where none was counted."""
    family = CounterMetricFamily(
        METRIC_LOG_EVENTS, "Lines of a service's output by the names of logs.count.", labels=["service", "event"]
    )
    for service, names in sorted(events.items()):
        counted = counts[service].events if service in counts else {}
        for name in dict.fromkeys(names):
            family.add_metric([service, name], counted.get(name, 0))
    return family


class FixedCollector(Collector):
    """The metrics of counts that are at hand, such as a window's."""

    def __init__(self, counts: Mapping[str, Counts], rules: Mapping[str, LogRule]) -> None:
        self._counts = counts
        self._rules = rules

    def collect(self) -> Iterator[Metric]:
        yield from request_metrics(self._counts, self._rules)
        events = {name: tuple(count.events) for name, count in self._counts.items() if count.events}
        if events:
            yield event_metrics(self._counts, events)
