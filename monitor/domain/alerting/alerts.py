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

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from monitor.domain.alerting.conditions import Condition, ConditionKind
from monitor.domain.alerting.inhibition import OVER, hider, hides, silenced
from monitor.domain.alerting.open_alerts import (
    GRAVITY,
    Alert,
    AlertPolicy,
    AlertState,
    Key,
    MessageLine,
    Notice,
    OpenAlerts,
    Said,
    Silence,
)

Event = Literal["fire", "escalate", "due", "hide", "show", "repeat", "mute", "resolve"]

TABLE: Final[Mapping[tuple[AlertState, Event], tuple[AlertState, Said | None]]] = {
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
_UNTOLD: Final[frozenset[AlertState]] = frozenset({"waiting", "brief"})


class IllegalAlertMove(RuntimeError):
    """A move that TABLE does not have: a mistake in bgmon."""


def fire(book: OpenAlerts, condition: Condition, now: float) -> tuple[OpenAlerts, tuple[MessageLine, ...]]:
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


def resolve(book: OpenAlerts, kind: ConditionKind, service: str, now: float, note: str = "") -> OpenAlerts:
    """It is right again; an alert that is not open, or ending already, is left as it is."""
    alert = book.alerts.get((kind, service))
    if alert is None or alert.state in OVER:
        return book
    moved, _ = _move(replace(alert, note=note, ended_at=now), "resolve", now)
    return _put(book, moved)


def tell(book: OpenAlerts, condition: Condition, now: float) -> OpenAlerts:
    """It happened and is over."""
    return replace(book, notes=(*book.notes, Notice(condition, now)))


def flush(
    book: OpenAlerts, silences: Sequence[Silence], policy: AlertPolicy, now: float
) -> tuple[OpenAlerts, tuple[MessageLine, ...]]:
    """What is to be told now, and the book after it was.

    All that waits goes into one message once the first of it has waited for `policy.group`. Times that lie in the
    future (the clock was set back) count as now.
    """
    alerts = {key: _clamped(alert, now) for key, alert in book.alerts.items()}
    notes = tuple(replace(note, at=min(note.at, now)) for note in book.notes)
    for key, alert in alerts.items():
        cause = hider(alert, alerts, silences, policy, now)
        if alert.state == "waiting" and cause:
            alerts[key] = replace(_move(alert, "hide", now)[0], hidden_by=cause)
        elif alert.state == "brief" and cause:
            alerts[key] = _move(alert, "mute", now)[0]
        elif alert.state == "hidden" and not cause:
            alerts[key] = replace(_move(alert, "show", now)[0], hidden_by="")
        elif alert.state == "hidden":
            alerts[key] = replace(alert, hidden_by=cause)

    lines: list[MessageLine] = []
    begun = [alert.moved_at for alert in alerts.values() if alert.state in ("waiting", "ending", "brief")]
    begun += [note.at for note in notes]
    if begun and now - min(begun) >= policy.group:
        for key, alert in alerts.items():
            if alert.state in ("waiting", "ending", "brief"):
                quiet = alert.state == "ending" and silenced(alert.condition, silences, now)
                moved, said = _move(alert, "mute" if quiet else "due", now)
                if said is not None:
                    lines.append(_line(said, alert, now, hides(alert, alerts)))
                    moved = replace(moved, told_at=now)
                alerts[key] = moved
        lines += [
            MessageLine("note", note.condition, note.at)
            for note in notes
            if not silenced(note.condition, silences, now)
        ]
        notes = ()
    lines += _repeats(alerts, silences, policy, now)
    left = {key: alert for key, alert in alerts.items() if alert.state != "gone"}
    return OpenAlerts(left, notes), tuple(lines)


def _repeats(
    alerts: dict[Key, Alert], silences: Sequence[Silence], policy: AlertPolicy, now: float
) -> list[MessageLine]:
    """Alerts that were told long ago. When one is due, those that soon will be come with it."""
    told = [alert for alert in alerts.values() if alert.state == "firing" and alert.told_at is not None]
    told = [alert for alert in told if not hider(alert, alerts, silences, policy, now)]
    if not policy.repeat or not any(_age(alert, now) >= policy.repeat for alert in told):
        return []
    lines = []
    for alert in told:
        if _age(alert, now) >= policy.repeat - policy.group:
            moved, said = _move(alert, "repeat", now)
            assert said is not None
            lines.append(_line(said, alert, now, hides(alert, alerts)))
            alerts[alert.key] = replace(moved, told_at=now)
    return lines


def _age(alert: Alert, now: float) -> float:
    return now - (alert.told_at if alert.told_at is not None else now)


def _move(alert: Alert, event: Event, now: float) -> tuple[Alert, Said | None]:
    try:
        state, said = TABLE[alert.state, event]
    except KeyError:
        raise IllegalAlertMove(f"alert {alert.key}: {event} while {alert.state}") from None
    stays = state == alert.state or {state, alert.state} == _UNTOLD
    return replace(alert, state=state, moved_at=alert.moved_at if stays else now), said


def _put(book: OpenAlerts, alert: Alert) -> OpenAlerts:
    alerts = {key: other for key, other in book.alerts.items() if key != alert.key or alert.state != "gone"}
    if alert.state != "gone":
        alerts[alert.key] = alert
    return replace(book, alerts=alerts)


def _line(said: Said, alert: Alert, now: float, hides: int = 0) -> MessageLine:
    over = said in ("resolved", "healed")
    end = alert.ended_at if over and alert.ended_at is not None else now
    duration = None if said == "firing" else max(0.0, end - alert.since)
    return MessageLine(said, alert.condition, alert.since, duration, alert.note if over else "", hides)


def _clamped(alert: Alert, now: float) -> Alert:
    told_at = None if alert.told_at is None else min(alert.told_at, now)
    ended_at = None if alert.ended_at is None else min(alert.ended_at, now)
    since, moved_at = min(alert.since, now), min(alert.moved_at, now)
    return replace(alert, since=since, moved_at=moved_at, told_at=told_at, ended_at=ended_at)
