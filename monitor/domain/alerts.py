"""Alerts as a transition table: who is told what, and when.

Rules of this file: no clock (`now` is an argument, unix seconds), no I/O, and every move of an alert goes through
`TABLE`; a move that is not in it raises. An alert is open from its first `fire` to its end:

    waiting   it fires, and the group's window is still open
    firing    people were told
    hidden    it fires, and a silence or a cause above it keeps it quiet; nobody was told
    ending    it is over, people were told that it fired, and the group's window is still open
    brief     it is over before anybody was told, and the group's window is still open

What is over before its window closes is told in one line, and as nothing grave. What comes back while `ending` is the
same alert, so that flapping does not chat. What was `hidden` by a cause above it begins a window of its own when that
cause is gone, so that only what still fires is told.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from monitor.domain.conditions import UPSTREAM, Condition, ConditionKind, Severity

Key = tuple[str, str]  # kind, service
State = Literal["waiting", "firing", "hidden", "ending", "brief", "gone"]
Event = Literal["fire", "escalate", "due", "hide", "show", "repeat", "mute", "resolve"]
Said = Literal["firing", "again", "resolved", "healed", "note"]

TABLE: Final[Mapping[tuple[State, Event], tuple[State, Said | None]]] = {
    ("waiting", "fire"): ("waiting", None),
    ("waiting", "escalate"): ("waiting", None),
    ("waiting", "due"): ("firing", "firing"),
    ("waiting", "hide"): ("hidden", None),
    ("waiting", "resolve"): ("brief", None),
    ("firing", "fire"): ("firing", None),
    ("firing", "escalate"): ("firing", "firing"),
    ("firing", "repeat"): ("firing", "again"),
    ("firing", "resolve"): ("ending", None),
    ("hidden", "fire"): ("hidden", None),
    ("hidden", "escalate"): ("hidden", None),
    ("hidden", "show"): ("waiting", None),
    ("hidden", "resolve"): ("gone", None),
    ("ending", "fire"): ("firing", None),
    ("ending", "escalate"): ("firing", "firing"),
    ("ending", "due"): ("gone", "resolved"),
    ("ending", "mute"): ("gone", None),
    ("brief", "fire"): ("waiting", None),
    ("brief", "escalate"): ("waiting", None),
    ("brief", "due"): ("gone", "healed"),
    ("brief", "mute"): ("gone", None),
}
_OVER: Final[frozenset[State]] = frozenset({"ending", "brief", "gone"})
_UNTOLD: Final[frozenset[State]] = frozenset({"waiting", "brief"})

GRAVITY: Final[Mapping[Severity, int]] = {"info": 0, "ticket": 1, "page": 2}

# A cause hides what ranks below it. A peer is not below this host's engine, and trouble with the state file is never
# hidden: it may be the reason why something else is wrong.
_RANK: Final[Mapping[ConditionKind, int]] = {
    "state": -1,
    "host-offline": 0,
    "engine-down": 1,
    "peer-down": 1,
    "proxy-down": 2,
}
_BELOW_ALL: Final = 3
# What a service that others need may do to them, and what it looks like there.
_DOWN: Final[frozenset[ConditionKind]] = frozenset({"unhealthy", "exited", "missing", "crash-loop", "quarantined"})
_FOLLOWS: Final[frozenset[ConditionKind]] = frozenset({"unhealthy", "exited", "crash-loop", "degraded"})


class IllegalMove(RuntimeError):
    """A move that TABLE does not have: a mistake in bgmon."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One open alert.

    `since` is when it began, `told_at` when it was last told, `ended_at` when it was over, while it is `ending` or
    `brief`. `moved_at` is when it came into its state; between `waiting` and `brief` it stays, so that flapping does
    not keep a window open.
    """

    condition: Condition
    state: State
    since: float
    moved_at: float
    told_at: float | None = None
    hidden_by: str = ""
    note: str = ""
    ended_at: float | None = None

    @property
    def key(self) -> Key:
        return (self.condition.kind, self.condition.service)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened and is over; it is told once."""

    condition: Condition
    at: float


@dataclass(frozen=True, slots=True)
class Silence:
    """Keeps alerts quiet until `until`. `pattern` is a glob on the service, or on the kind for the host's own."""

    id: int
    pattern: str
    until: float
    reason: str
    by: str
    created_at: float

    def covers(self, condition: Condition, now: float) -> bool:
        return now < self.until and fnmatch.fnmatchcase(condition.service or condition.kind, self.pattern)


@dataclass(frozen=True, slots=True)
class Book:
    """Everything that is open."""

    alerts: Mapping[Key, Alert] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """`group` and `repeat` are seconds; a `repeat` of 0 never repeats. `needs` are the services a service needs."""

    group: float = 10.0
    repeat: float = 14400.0
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a message says. `hides` counts the alerts that this one keeps quiet."""

    said: Said
    condition: Condition
    since: float
    duration: float | None = None
    note: str = ""
    hides: int = 0

    @property
    def severity(self) -> Severity:
        """What healed before anybody was told is good to know, and nobody's night."""
        return "info" if self.said == "healed" else self.condition.severity


@dataclass(frozen=True, slots=True)
class Message:
    at: float
    lines: tuple[Line, ...]

    @property
    def severity(self) -> Severity:
        return max((line.severity for line in self.lines), key=GRAVITY.__getitem__)

    def at_least(self, severity: Severity) -> Message | None:
        """What of it is at least that grave; None when nothing is."""
        lines = tuple(line for line in self.lines if GRAVITY[line.severity] >= GRAVITY[severity])
        return replace(self, lines=lines) if lines else None


def fire(book: Book, condition: Condition, now: float) -> tuple[Book, tuple[Line, ...]]:
    """It is wrong, again or still."""
    key = (condition.kind, condition.service)
    alert = book.alerts.get(key)
    if alert is None:
        return _put(book, Alert(condition, "waiting", since=now, moved_at=now)), ()
    graver = GRAVITY[condition.severity] > GRAVITY[alert.condition.severity]
    moved, said = _move(replace(alert, condition=condition, ended_at=None), "escalate" if graver else "fire", now)
    if said is None:
        return _put(book, moved), ()
    return _put(book, replace(moved, told_at=now)), (_line(said, moved, now),)


def resolve(book: Book, kind: ConditionKind, service: str, now: float, note: str = "") -> Book:
    """It is right again; an alert that is not open, or ending already, is left as it is."""
    alert = book.alerts.get((kind, service))
    if alert is None or alert.state in _OVER:
        return book
    moved, _ = _move(replace(alert, note=note, ended_at=now), "resolve", now)
    return _put(book, moved)


def tell(book: Book, condition: Condition, now: float) -> Book:
    """It happened and is over."""
    return replace(book, notes=(*book.notes, Note(condition, now)))


def flush(book: Book, silences: Sequence[Silence], policy: AlertPolicy, now: float) -> tuple[Book, tuple[Line, ...]]:
    """What is to be told now, and the book after it was.

    All that waits goes into one message once the first of it has waited for `policy.group`. Times that lie in the
    future (the clock was set back) count as now.
    """
    alerts = {key: _clamped(alert, now) for key, alert in book.alerts.items()}
    notes = tuple(replace(note, at=min(note.at, now)) for note in book.notes)
    for key, alert in alerts.items():
        cause = _hider(alert, alerts, silences, policy, now)
        if alert.state == "waiting" and cause:
            alerts[key] = replace(_move(alert, "hide", now)[0], hidden_by=cause)
        elif alert.state == "brief" and cause:
            alerts[key] = _move(alert, "mute", now)[0]
        elif alert.state == "hidden" and not cause:
            alerts[key] = replace(_move(alert, "show", now)[0], hidden_by="")
        elif alert.state == "hidden":
            alerts[key] = replace(alert, hidden_by=cause)

    lines: list[Line] = []
    begun = [alert.moved_at for alert in alerts.values() if alert.state in ("waiting", "ending", "brief")]
    begun += [note.at for note in notes]
    if begun and now - min(begun) >= policy.group:
        for key, alert in alerts.items():
            if alert.state in ("waiting", "ending", "brief"):
                quiet = alert.state == "ending" and _silenced(alert.condition, silences, now)
                moved, said = _move(alert, "mute" if quiet else "due", now)
                if said is not None:
                    lines.append(_line(said, alert, now, _hides(alert, alerts)))
                    moved = replace(moved, told_at=now)
                alerts[key] = moved
        lines += [
            Line("note", note.condition, note.at) for note in notes if not _silenced(note.condition, silences, now)
        ]
        notes = ()
    lines += _repeats(alerts, silences, policy, now)
    left = {key: alert for key, alert in alerts.items() if alert.state != "gone"}
    return Book(left, notes), tuple(lines)


def _repeats(alerts: dict[Key, Alert], silences: Sequence[Silence], policy: AlertPolicy, now: float) -> list[Line]:
    """Alerts that were told long ago. When one is due, those that soon will be come with it."""
    told = [alert for alert in alerts.values() if alert.state == "firing" and alert.told_at is not None]
    told = [alert for alert in told if not _hider(alert, alerts, silences, policy, now)]
    if not policy.repeat or not any(_age(alert, now) >= policy.repeat for alert in told):
        return []
    lines = []
    for alert in told:
        if _age(alert, now) >= policy.repeat - policy.group:
            moved, said = _move(alert, "repeat", now)
            assert said is not None
            lines.append(_line(said, alert, now, _hides(alert, alerts)))
            alerts[alert.key] = replace(moved, told_at=now)
    return lines


def _age(alert: Alert, now: float) -> float:
    return now - (alert.told_at if alert.told_at is not None else now)


def _move(alert: Alert, event: Event, now: float) -> tuple[Alert, Said | None]:
    try:
        state, said = TABLE[alert.state, event]
    except KeyError:
        raise IllegalMove(f"alert {alert.key}: {event} while {alert.state}") from None
    stays = state == alert.state or {state, alert.state} == _UNTOLD
    return replace(alert, state=state, moved_at=alert.moved_at if stays else now), said


def _put(book: Book, alert: Alert) -> Book:
    alerts = {key: other for key, other in book.alerts.items() if key != alert.key or alert.state != "gone"}
    if alert.state != "gone":
        alerts[alert.key] = alert
    return replace(book, alerts=alerts)


def _line(said: Said, alert: Alert, now: float, hides: int = 0) -> Line:
    over = said in ("resolved", "healed")
    end = alert.ended_at if over and alert.ended_at is not None else now
    duration = None if said == "firing" else max(0.0, end - alert.since)
    return Line(said, alert.condition, alert.since, duration, alert.note if over else "", hides)


def _clamped(alert: Alert, now: float) -> Alert:
    told_at = None if alert.told_at is None else min(alert.told_at, now)
    ended_at = None if alert.ended_at is None else min(alert.ended_at, now)
    since, moved_at = min(alert.since, now), min(alert.moved_at, now)
    return replace(alert, since=since, moved_at=moved_at, told_at=told_at, ended_at=ended_at)


def _silenced(condition: Condition, silences: Sequence[Silence], now: float) -> bool:
    return any(silence.covers(condition, now) for silence in silences)


def _hider(
    alert: Alert, alerts: Mapping[Key, Alert], silences: Sequence[Silence], policy: AlertPolicy, now: float
) -> str:
    """Why this alert is to be quiet; empty when it is not."""
    for silence in silences:
        if silence.covers(alert.condition, now):
            return f"silence {silence.id}"
    open_now = [other for other in alerts.values() if other.state not in _OVER]
    rank = _rank(alert.condition.kind)
    above = [other.condition.kind for other in open_now if other.condition.kind in UPSTREAM]
    above = [kind for kind in above if _rank(kind) < rank]
    if above:
        return min(above, key=_rank)
    if alert.condition.kind in _FOLLOWS and alert.condition.service:
        needed = _needed(alert.condition.service, policy.needs)
        for other in open_now:
            if other.condition.kind in _DOWN and other.condition.service in needed:
                return f"{other.condition.service} {other.condition.kind}"
    return ""


def _hides(alert: Alert, alerts: Mapping[Key, Alert]) -> int:
    names = {alert.condition.kind, f"{alert.condition.service} {alert.condition.kind}"}
    return sum(1 for other in alerts.values() if other.state == "hidden" and other.hidden_by in names)


def _rank(kind: ConditionKind) -> int:
    return _RANK.get(kind, _BELOW_ALL)


def _needed(service: str, needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All services it needs, directly or not; those in a circle with it hide nothing, or both would be hidden."""
    return {other for other in _reach(service, needs) if service not in _reach(other, needs)}


def _reach(service: str, needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    pending = list(needs.get(service, ()))
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += needs.get(name, ())
    return found
