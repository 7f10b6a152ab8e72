"""Loki as a LogSource: windows that tile, the last ones asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import msgspec

from monitor.adapters.loki.client import LokiClient, QueryAnswer, TooManySeries
from monitor.domain.logs.counts import Counts, RouteCounts
from monitor.domain.logs.events import SEPARATOR, EventRule, events_query
from monitor.domain.logs.logql import HEALTH, UNPARSED, Queries, Selector, queries
from monitor.domain.logs.routes import OTHER, route_key
from monitor.domain.logs.rules import LogRule
from monitor.domain.logs.values import scale
from monitor.domain.logs.windows import Group, due, groups, halves
from monitor.domain.names import KIND_APP
from monitor.ports.logs import Batch, Cursor

_COUNTED_TO: Final = "counted_to"  # end of the last window counted, milliseconds
_WINDOW: Final = "window:"  # + end: what was last seen in a window that will be asked for again
_decode: Final = msgspec.json.Decoder(dict[str, Counts]).decode
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class LokiPolicy:
    """Times are milliseconds. `labels` select the streams instead of project and kind."""

    project: str
    window: int = 60_000
    delay: int = 60_000
    overlap: int = 3
    catch_up: int = 86_400_000
    reach: int = 30 * 86_400_000
    series: int = 500
    host: str | None = None
    labels: Mapping[str, str] | None = None
    service_label: str = "service"


class LokiSource:
    name = "loki"

    def __init__(
        self,
        client: LokiClient,
        rules: Mapping[str, LogRule],
        policy: LokiPolicy,
        events: Mapping[str, EventRule] | None = None,
    ) -> None:
        self._client = client
        self._events = dict(events or {})
        self._counted = sorted({*rules, *self._events})
        self._rules = rules
        self._policy = policy
        self._series = policy.series

    def window(self, services: Sequence[str], start: float, end: float) -> dict[str, Counts]:
        wanted = [service for service in services if service in self._counted]
        length = round((end - start) * 1000)
        found = {service: Counts() for service in services}
        last = round(end * 1000)
        while length > 0:
            part = min(length, self._policy.reach - 1000)
            for (service, _), counts in self._ask_all(wanted, part, partial(self._at, last), []).items():
                found[service].add(counts)
            length -= part
            last -= part
        return found

    def _at(self, end: int, query: str) -> QueryAnswer:
        return self._client.instant(query, end * 1_000_000)

    def collect(self, cursor: Cursor, now: float) -> Batch:
        policy = self._policy
        counted = cursor.get(_COUNTED_TO)
        windows, lost = due(
            int(now * 1000),
            length=policy.window,
            delay=policy.delay,
            overlap=policy.overlap,
            counted_to=int(counted) if counted else None,
            catch_up=policy.catch_up,
            reach=policy.reach,
        )
        warnings = [f"{lost / 1000:g} s of log are older than logs.catch_up and stay uncounted"] if lost else []
        if not windows.ends or not self._counted:
            return Batch({}, cursor, (windows.first - windows.length) / 1000)

        def ask(query: str) -> QueryAnswer:
            return self._client.range(query, windows.first // 1000, windows.last // 1000, windows.length // 1000)

        seen: dict[int, dict[str, Counts]] = {end: {} for end in windows.ends}
        for (service, at), counts in self._ask_all(self._counted, windows.length, ask, warnings).items():
            if at in seen:
                seen[at][service] = counts
        return self._settled(cursor, seen, windows.last, warnings, more=windows.more)

    def _settled(
        self, cursor: Cursor, seen: dict[int, dict[str, Counts]], last: int, warnings: list[str], *, more: bool
    ) -> Batch:
        """Count what is new in each window, and remember what was seen where it will be asked for again."""
        policy = self._policy
        counted_to = int(cursor.get(_COUNTED_TO, "0"))
        if counted_to > last:
            counted_to = 0  # a clock that was ahead had counted windows that were still to come
        increments: dict[str, Counts] = {}
        kept: dict[str, str] = {_COUNTED_TO: str(last)}
        for end, by_service in seen.items():
            text = cursor.get(f"{_WINDOW}{end}")
            if text is None and end <= counted_to:
                continue  # counted once and let go: what is new in it can no longer be told
            known = _decode(text) if text else {}
            for service, counts in by_service.items():
                earlier = known.get(service, Counts())
                fresh = counts.beyond(earlier)
                if not fresh.empty:
                    increments.setdefault(service, Counts()).add(fresh)
                    earlier.add(fresh)
                    known[service] = earlier
            if end > last - policy.overlap * policy.window:
                kept[f"{_WINDOW}{end}"] = _encode(known).decode()
        return Batch(increments, kept, last / 1000, tuple(warnings), more)

    def _ask_all(
        self, services: Iterable[str], length: int, ask: Callable[[str], QueryAnswer], warnings: list[str]
    ) -> dict[tuple[str, int], Counts]:
        """Counts by service and the end of their window."""
        wanted = list(services)
        found: dict[tuple[str, int], Counts] = {}
        waiting = groups(self._rules, (service for service in wanted if service in self._rules), self._series)
        while waiting:
            group = waiting.pop()
            try:
                part = self._ask_group(group, length, ask, warnings)
            except TooManySeries:
                if len(group.services) == 1 and group.rule.routes:
                    warnings.append(
                        f"{group.services[0]} has more routes than logs.limits.series allows: all of them are `other`"
                    )
                    waiting.append(replace(group, rule=replace(group.rule, routes=(), method=None)))
                    continue
                if len(group.services) == 1:
                    raise
                self._series = max(20, self._series // 2)
                waiting += halves(group)
                continue
            found |= part
        self._ask_events(wanted, length, ask, warnings, found)
        return found

    def _ask_events(
        self,
        services: Iterable[str],
        length: int,
        ask: Callable[[str], QueryAnswer],
        warnings: list[str],
        found: dict[tuple[str, int], Counts],
    ) -> None:
        alike: dict[EventRule, list[str]] = {}
        for service in services:
            if service in self._events:
                alike.setdefault(self._events[service], []).append(service)
        waiting = list(alike.items())
        while waiting:
            rule, names = waiting.pop()
            try:
                answer = ask(self._events_query(rule, names, length))
            except TooManySeries:
                if len(names) == 1:
                    raise
                middle = len(names) // 2
                waiting += [(rule, names[:middle]), (rule, names[middle:])]
                continue
            warnings += answer.warnings
            for series in answer.series:
                service = series.labels.get(self._policy.service_label, "")
                for at, value in series.values if service in names else ():
                    events = found.setdefault((service, round(at * 1000)), Counts()).events
                    for name in series.labels.get("event", "").split(SEPARATOR)[:-1]:
                        events[name] = events.get(name, 0) + round(value)

    def _ask_group(
        self, group: Group, length: int, ask: Callable[[str], QueryAnswer], warnings: list[str]
    ) -> dict[tuple[str, int], Counts]:
        found: dict[tuple[str, int], Counts] = {}
        unit_nanos = scale(group.rule.unit, ()).nanos
        for what, query in self._queries(group, length).named():
            answer = ask(query)
            warnings += answer.warnings
            for series in answer.series:
                service = series.labels.get(self._policy.service_label, "")
                if service not in group.services:
                    continue
                for at, value in series.values:
                    counts = found.setdefault((service, round(at * 1000)), Counts())
                    if what == "counts":
                        _count(counts, series.labels.get("code", UNPARSED), round(value))
                    into: list[Counts | RouteCounts] = [] if what == "counts" else [counts]
                    if self._rules[service].routes:
                        into += _route(counts, what, series.labels)
                    for each in into:
                        if what == "durations":
                            each.nanos += round(value * unit_nanos)
                        else:
                            kind = each.codes if what == "counts" else each.buckets
                            label = series.labels.get("code" if what == "counts" else "le", "")
                            if label:
                                kind[label] = kind.get(label, 0) + round(value)
        return found

    def _queries(self, group: Group, length: int) -> Queries:
        return queries(group.rule, self._selector(group.rule.kind, group.services), length, group.bounds)

    def _events_query(self, rule: EventRule, services: Sequence[str], length: int) -> str:
        return events_query(rule, self._selector(KIND_APP, services), length)

    def _selector(self, kind: str, services: Sequence[str]) -> Selector:
        policy = self._policy
        labels = tuple((policy.labels or {}).items())
        return Selector(policy.project, kind, tuple(services), policy.host, labels, policy.service_label)

    def reset(self) -> None:
        """Nothing is read ahead."""

    def explain(self, service: str) -> list[tuple[str, str]]:
        told: list[tuple[str, str]] = []
        rule, events = self._rules.get(service), self._events.get(service)
        if rule is not None:
            told += self._queries(Group(rule, (service,), rule.buckets), self._policy.window).named()
        if events is not None:
            told.append(("events", self._events_query(events, (service,), self._policy.window)))
        return told

    def close(self) -> None:
        self._client.close()


def _route(counts: Counts, what: str, labels: Mapping[str, str]) -> list[Counts | RouteCounts]:
    """Where a series counts by its route; nowhere when it is no request."""
    code = labels.get("code", "")
    if what == "counts" and (not code or code in {HEALTH, UNPARSED}):
        return []
    key = route_key(labels.get("route", OTHER), labels.get("method", ""))
    return [counts.routes.setdefault(key, RouteCounts())]


def _count(counts: Counts, code: str, lines: int) -> None:
    counts.lines += lines
    if code == HEALTH:
        counts.ignored += lines
    elif code == UNPARSED or not code:
        counts.unparsed += lines
    else:
        counts.codes[code] = counts.codes.get(code, 0) + lines
