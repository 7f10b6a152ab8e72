"""Channels, the alert store and the sink, in memory."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from monitor.domain.alerting.conditions import Severity
from monitor.domain.alerting.open_alerts import Alert, OpenAlerts, Silence
from monitor.errors import NotifyError
from monitor.ports.notify import Decided, Outgoing, Pending


@dataclass(slots=True)
class FakeChannel:
    """Remembers what it took; fails with `failures`, one a try, as long as there are any."""

    id: str = "fake:1"
    label: str = "fake://***"
    min_severity: Severity = "info"
    taken: list[Outgoing] = field(default_factory=list)
    failures: list[NotifyError] = field(default_factory=list)

    def prepare(self) -> None: ...

    def send(self, outgoing: Outgoing, *, deadline: float) -> None:
        del deadline
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(outgoing)


@dataclass(slots=True)
class FakeSink:
    """Remembers the last picture it was given."""

    alerts: list[Alert] = field(default_factory=list)
    ended: list[tuple[Alert, float]] = field(default_factory=list)
    pushes: int = 0
    failures: list[NotifyError] = field(default_factory=list)

    def push(
        self, alerts: Sequence[Alert], ended: Sequence[tuple[Alert, float]], *, now: float, deadline: float
    ) -> None:
        del now, deadline
        if self.failures:
            raise self.failures.pop(0)
        self.alerts, self.ended, self.pushes = list(alerts), list(ended), self.pushes + 1


@dataclass(slots=True)
class _Entry:
    channel: str
    pending: Pending
    under_way: bool = False
    unsure: bool = False
    done: bool = False
    error: str = ""


class MemoryAlertStore:
    """Fulfils ports.notify.AlertStore for tests and simulations; nothing outlives the process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._book = OpenAlerts()
        self._ended: list[tuple[Alert, float]] = []
        self._silences: dict[int, Silence] = {}
        self._outbox: dict[int, _Entry] = {}
        self._totals = {"delivered": 0, "failed": 0, "dropped": 0}
        self._ids = itertools.count(1)

    def decide(self, decision: Callable[[OpenAlerts, Sequence[Silence]], Decided], now: float) -> Decided:
        with self._lock:
            before = self._book
            decided = decision(before, self.silences(now))
            for key, alert in before.alerts.items():
                if key not in decided.book.alerts and alert.told_at is not None:
                    end = alert.ended_at if alert.ended_at is not None else now
                    self._ended.append((replace(alert, state="gone", moved_at=end, ended_at=end), end))
            self._book = decided.book
            for channel, outgoing in decided.outgoing:
                number = next(self._ids)
                self._outbox[number] = _Entry(channel, Pending(number, channel, outgoing, now, 0, now))
            return decided

    def book(self) -> OpenAlerts:
        return self._book

    def ended(self, since: float) -> list[tuple[Alert, float]]:
        return sorted((item for item in self._ended if item[1] >= since), key=lambda item: -item[1])

    def silence(self, pattern: str, *, until: float, reason: str, by: str, now: float) -> Silence:
        with self._lock:
            silence = Silence(next(self._ids), pattern, until, reason, by, now)
            self._silences[silence.id] = silence
            return silence

    def silences(self, now: float) -> list[Silence]:
        return [silence for silence in self._silences.values() if silence.until > now]

    def lift(self, silence: int, now: float) -> bool:
        with self._lock:
            found = self._silences.get(silence)
            if found is None or found.until <= now:
                return False
            self._silences[silence] = replace(found, until=now)
            return True

    def next(self, channel: str) -> Pending | None:
        with self._lock:
            for entry in self._outbox.values():
                if entry.channel == channel and not entry.done:
                    repeated = entry.unsure or entry.under_way
                    return replace(entry.pending, outgoing=replace(entry.pending.outgoing, repeated=repeated))
        return None

    def begin(self, entry: Pending) -> None:
        with self._lock:
            held = self._outbox[entry.id]
            held.unsure = held.unsure or held.under_way
            held.under_way = True
            held.pending = replace(held.pending, attempts=held.pending.attempts + 1)

    def delivered(self, entry: Pending, now: float) -> None:
        del now
        self._finish(entry, "delivered", "")

    def postpone(self, entry: Pending, *, until: float, error: str, unsure: bool) -> None:
        with self._lock:
            held = self._outbox[entry.id]
            held.pending = replace(held.pending, next_at=until)
            held.error, held.under_way, held.unsure = error, False, held.unsure or unsure
            self._totals["failed"] += 1

    def give_up(self, entry: Pending, now: float, error: str) -> None:
        del now
        self._finish(entry, "dropped", error)

    def _finish(self, entry: Pending, result: str, error: str) -> None:
        with self._lock:
            held = self._outbox[entry.id]
            held.done, held.error = True, error
            self._totals[result] += 1

    def adopt(self, channels: Sequence[str], now: float) -> int:
        dropped = 0
        with self._lock:
            for entry in self._outbox.values():
                if entry.done or entry.channel in channels:
                    continue
                scheme = entry.channel.partition(":")[0]
                heir = next((channel for channel in channels if channel.partition(":")[0] == scheme), None)
                key = entry.pending.outgoing.key
                known = any(
                    other.channel == heir and other.pending.outgoing.key == key for other in self._outbox.values()
                )
                if heir is None or known:
                    entry.done = True
                    self._totals["dropped"] += 1
                    dropped += 1
                else:
                    entry.channel = heir
                    entry.pending = replace(entry.pending, channel=heir, next_at=now)
        return dropped

    def waiting(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for entry in self._outbox.values():
            if not entry.done:
                counts[entry.channel] = counts.get(entry.channel, 0) + 1
        return counts

    def errors(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for entry in self._outbox.values():
            if not entry.done and entry.error:
                found.setdefault(entry.channel, entry.error)
        return found

    def sent(self) -> dict[str, int]:
        return dict(self._totals)

    def prune(self, now: float) -> None:
        with self._lock:
            self._silences = {number: silence for number, silence in self._silences.items() if silence.until > now}
            self._outbox = {number: entry for number, entry in self._outbox.items() if not entry.done}
            self._ended = self._ended[-1000:]
