"""Alerts while the state file cannot be written: a full disk is a reason to tell people, not one to fall silent.

Whatever cannot be kept is kept in memory, and brought to the file as soon as it takes it again. Only a process that
ends before that loses something: it forgets what it could not write, or tells a second time what it could not note as
told.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.domain.alerting.open_alerts import Alert, OpenAlerts, Silence
from monitor.errors import StateError
from monitor.ports.notify import Decided, Outgoing, Pending

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Unkept:
    """What the file does not know yet."""

    book: OpenAlerts
    silences: Sequence[Silence]
    outgoing: list[Pending] = field(default_factory=list)  # ids below 0


class ResilientAlertStore:
    """Fulfils ports.notify.AlertStore; reading and writing fall back to memory where alerts depend on it."""

    def __init__(self, file: SqliteAlertStore) -> None:
        self._file = file
        self._lock = threading.RLock()
        self._last: tuple[OpenAlerts, Sequence[Silence]] = (OpenAlerts(), ())
        self._unkept: _Unkept | None = None
        self._numbers = 0
        self._done: dict[int, Callable[[], None]] = {}  # taken out of the outbox, but the file does not know
        self._reached: dict[str, int] = {}  # by channel, the highest of those
        self._later: dict[int, Pending] = {}  # postponed, but the file does not know

    def decide(self, decision: Callable[[OpenAlerts, Sequence[Silence]], Decided], now: float) -> Decided:
        with self._lock:
            unkept = self._unkept
            try:
                if unkept is None:
                    decided = self._file.decide(self._remembering(decision), now)
                else:
                    waiting = [(entry.channel, entry.outgoing) for entry in unkept.outgoing]
                    memory = unkept.book
                    decided = self._file.decide(
                        self._remembering(lambda _, silences: _joined(decision(memory, silences), waiting)), now
                    )
                    self._unkept = None
                    log.warning("the state file takes alerts again")
                self._last = (decided.book, self._last[1])
            except StateError as error:
                if unkept is None:
                    log.error("alerts go on without the state file: %s", error)  # noqa: TRY400 - it says it all
                    unkept = self._unkept = _Unkept(*self._last)
                decided = decision(unkept.book, unkept.silences)
                unkept.book = decided.book
                for channel, outgoing in decided.outgoing:
                    self._numbers -= 1
                    unkept.outgoing.append(Pending(self._numbers, channel, outgoing, now, 0, now))
            return decided

    def _remembering(
        self, decision: Callable[[OpenAlerts, Sequence[Silence]], Decided]
    ) -> Callable[[OpenAlerts, Sequence[Silence]], Decided]:
        def remember(book: OpenAlerts, silences: Sequence[Silence]) -> Decided:
            self._last = (book, silences)
            return decision(book, silences)

        return remember

    def book(self) -> OpenAlerts:
        with self._lock:
            return self._unkept.book if self._unkept is not None else self._file.book()

    def ended(self, since: float) -> list[tuple[Alert, float]]:
        return self._file.ended(since)

    def silence(self, pattern: str, *, until: float, reason: str, by: str, now: float) -> Silence:
        return self._file.silence(pattern, until=until, reason=reason, by=by, now=now)

    def silences(self, now: float) -> list[Silence]:
        return self._file.silences(now)

    def lift(self, silence: int, now: float) -> bool:
        return self._file.lift(silence, now)

    def next(self, channel: str) -> Pending | None:
        with self._lock:
            self._catch_up()
            found: Pending | None = None
            with contextlib.suppress(StateError):
                found = self._file.next(channel, after=self._reached.get(channel, 0))
            if found is not None:
                return self._later.get(found.id, found)
            entries = self._unkept.outgoing if self._unkept is not None else []
            return next((entry for entry in entries if entry.channel == channel), None)

    def begin(self, entry: Pending) -> None:
        if entry.id > 0:
            with contextlib.suppress(StateError):
                self._file.begin(entry)

    def delivered(self, entry: Pending, now: float) -> None:
        self._finish(entry, lambda found: self._file.delivered(found, now))

    def give_up(self, entry: Pending, now: float, error: str) -> None:
        self._finish(entry, lambda found: self._file.give_up(found, now, error))

    def postpone(self, entry: Pending, *, until: float, error: str, unsure: bool) -> None:
        repeated = entry.outgoing.repeated or unsure
        later = replace(
            entry,
            next_at=until,
            attempts=entry.attempts + 1,
            outgoing=Outgoing(entry.outgoing.key, entry.outgoing.message, repeated),
        )
        with self._lock:
            if entry.id > 0:
                try:
                    self._file.postpone(entry, until=until, error=error, unsure=unsure)
                    self._later.pop(entry.id, None)
                except StateError:
                    self._later[entry.id] = later
            elif self._unkept is not None:
                self._unkept.outgoing = [later if held.id == entry.id else held for held in self._unkept.outgoing]

    def _finish(self, entry: Pending, write: Callable[[Pending], None]) -> None:
        with self._lock:
            self._later.pop(entry.id, None)
            if entry.id < 0 and self._unkept is not None:
                self._unkept.outgoing = [held for held in self._unkept.outgoing if held.id != entry.id]
                return
            found = entry
            try:
                if entry.id < 0:  # it was brought to the file while it was being sent
                    moved = self._file.find(entry.channel, entry.outgoing.key)
                    if moved is None:
                        return
                    found = moved
                write(found)
            except StateError:
                if found.id > 0:
                    self._done[found.id] = lambda: write(found)
                    self._reached[entry.channel] = max(found.id, self._reached.get(entry.channel, 0))

    def _catch_up(self) -> None:
        """Bring the file what it missed, oldest first, as far as it takes it."""
        with contextlib.suppress(StateError):
            for number in sorted(self._done):
                self._done[number]()
                del self._done[number]
            self._reached.clear()

    def adopt(self, channels: Sequence[str], now: float) -> int:
        return self._file.adopt(channels, now)

    def waiting(self) -> dict[str, int]:
        return self._file.waiting()

    def errors(self) -> dict[str, str]:
        return self._file.errors()

    def sent(self) -> dict[str, int]:
        return self._file.sent()

    def prune(self, now: float) -> None:
        self._file.prune(now)


def _joined(decided: Decided, waiting: Sequence[tuple[str, Outgoing]]) -> Decided:
    return Decided(decided.book, (*waiting, *decided.outgoing))
