"""What is remembered of alerts, and what is said about them, as plain data."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from monitor.domain.alerting.conditions import Condition, Severity

Key = tuple[str, str]  # kind, service
# What each state means stands in domain/alerting/alerts.py.
AlertState = Literal["waiting", "firing", "hidden", "ending", "brief", "gone"]
Said = Literal["firing", "again", "resolved", "healed", "note"]

GRAVITY: Final[Mapping[Severity, int]] = {"info": 0, "ticket": 1, "page": 2}


@dataclass(frozen=True, slots=True)
class Alert:
    """One open alert.

    `since` is when it began, `told_at` when it was last told, `ended_at` when it was over, while it is `ending` or
    `brief`. `moved_at` is when it came into its state; between `waiting` and `brief` it stays, so that flapping does
    not keep a window open.
    """

    condition: Condition
    state: AlertState
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
class Notice:
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
class OpenAlerts:
    """Everything that is open."""

    alerts: Mapping[Key, Alert] = field(default_factory=dict)
    notes: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """`group` and `repeat` are seconds; a `repeat` of 0 never repeats. `needs` are the services a service needs."""

    group: float = 10.0
    repeat: float = 14400.0
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MessageLine:
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
    lines: tuple[MessageLine, ...]

    @property
    def severity(self) -> Severity:
        return max((line.severity for line in self.lines), key=GRAVITY.__getitem__)

    def at_least(self, severity: Severity) -> Message | None:
        """What of it is at least that grave; None when nothing is."""
        lines = tuple(line for line in self.lines if GRAVITY[line.severity] >= GRAVITY[severity])
        return replace(self, lines=lines) if lines else None
