"""The watchdog's memory in memory."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitor.domain.alerting.conditions import ConditionKind
from monitor.domain.health.status import HealthBucket, IncidentView
from monitor.domain.health.watch import Watch


class FakeTotals:
    """The Totals port."""

    def __init__(self) -> None:
        self._totals: dict[str, dict[tuple[str, ...], float]] = {}

    def add(self, metric: str, labels: tuple[str, ...], value: float = 1.0) -> None:
        family = self._totals.setdefault(metric, {})
        family[labels] = family.get(labels, 0.0) + value

    def of(self, metric: str) -> dict[tuple[str, ...], float]:
        return dict(self._totals.get(metric, {}))


class FakeWatchStore:
    """The WatchStore port, as quick as dictionaries are."""

    def __init__(self) -> None:
        self._watches: dict[str, Watch] = {}
        self._incidents: dict[int, IncidentView] = {}
        self._current: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._restarts: list[tuple[str, float]] = []
        self._last_event: int | None = None
        self._buckets: dict[str, dict[float, tuple[int, int, float]]] = {}

    def watches(self) -> dict[str, Watch]:
        return dict(self._watches)

    def save(self, watch: Watch) -> None:
        self._watches[watch.service] = watch

    def forget(self, service: str) -> None:
        self._watches.pop(service, None)
        self._buckets.pop(service, None)
        self._restarts = [entry for entry in self._restarts if entry[0] != service]

    def open_incident(self, service: str, kind: ConditionKind, cause: str, at: float, detail: str = "") -> int:
        if service not in self._current:
            number = next(self._numbers)
            self._incidents[number] = IncidentView(number, service, kind, at, None, cause, detail)
            self._current[service] = number
        return self._current[service]

    def note_incident(self, incident: int, text: str, at: float, *, detail: str = "") -> None:
        del at
        old = self._incidents[incident]
        joined = "\n".join(part for part in (old.detail, detail) if part)
        self._incidents[incident] = replace(old, acts=(*old.acts, text), detail=joined)

    def close_incident(self, service: str, at: float, note: str) -> None:
        number = self._current.pop(service, None)
        if number is not None:
            old = self._incidents[number]
            self._incidents[number] = replace(old, ended_at=at, acts=(*old.acts, note))

    def current_incident(self, service: str) -> int | None:
        return self._current.get(service)

    def incidents(self, *, service: str | None = None, limit: int = 50) -> list[IncidentView]:
        found = [incident for incident in self._incidents.values() if service in (None, incident.service)]
        found.sort(key=lambda incident: (-incident.started_at, -incident.id))
        return found[:limit]

    def add_restart(self, service: str, reason: str, at: float) -> None:
        if reason != "docker":
            self._restarts.append((service, at))

    def restarts_since(self, at: float) -> list[tuple[str, float]]:
        return sorted((entry for entry in self._restarts if entry[1] > at), key=lambda entry: entry[1])

    def last_event(self) -> int | None:
        return self._last_event

    def set_last_event(self, at_ns: int) -> None:
        self._last_event = at_ns

    def add_buckets(self, buckets: Mapping[str, Sequence[HealthBucket]]) -> None:
        for service, group in buckets.items():
            kept = self._buckets.setdefault(service, {})
            for bucket in group:
                probes, failures, seconds = kept.get(bucket.at, (0, 0, 0.0))
                kept[bucket.at] = (
                    probes + bucket.probes,
                    failures + bucket.failures,
                    seconds + bucket.latency * (bucket.probes - bucket.failures),
                )

    def buckets(self, since: float) -> dict[str, list[HealthBucket]]:
        found: dict[str, list[HealthBucket]] = {}
        for service, kept in sorted(self._buckets.items()):
            for at, (probes, failures, seconds) in sorted(kept.items()):
                if at >= since:
                    answered = probes - failures
                    bucket = HealthBucket(at, probes, failures, seconds / answered if answered else 0.0)
                    found.setdefault(service, []).append(bucket)
        return found

    def prune(self, before: float) -> None:
        self._restarts = [entry for entry in self._restarts if entry[1] >= before]
        self._incidents = {
            number: incident
            for number, incident in self._incidents.items()
            if incident.ended_at is None or incident.ended_at >= before
        }
        for kept in self._buckets.values():
            for at in [at for at in kept if at < before]:
                del kept[at]
