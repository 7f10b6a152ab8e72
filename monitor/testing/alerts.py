"""Alerts in memory: what is open, and everything that was said."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from monitor.domain.alerting.conditions import Condition, ConditionKind


@dataclass(frozen=True, slots=True)
class Said:
    """`fired` and `resolved` are said once for each outage, `again` when an open alert was only brought up to date."""

    what: Literal["fired", "again", "resolved", "told"]
    kind: ConditionKind
    service: str
    at: float
    text: str


class FakeAlerts:
    """The Alerts port. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.open: dict[tuple[str, str], Condition] = {}
        self.said: list[Said] = []

    def fire(self, condition: Condition, now: float) -> None:
        key = (condition.kind, condition.service)
        with self._lock:
            what: Literal["fired", "again"] = "again" if key in self.open else "fired"
            self.open[key] = condition
            self.said.append(Said(what, condition.kind, condition.service, now, condition.summary))

    def resolve(self, kind: ConditionKind, service: str, now: float, note: str = "") -> None:
        with self._lock:
            if self.open.pop((kind, service), None) is not None:
                self.said.append(Said("resolved", kind, service, now, note))

    def tell(self, condition: Condition, now: float) -> None:
        with self._lock:
            self.said.append(Said("told", condition.kind, condition.service, now, condition.summary))

    def start(self) -> None:
        """It needs no worker."""

    def stop(self, timeout: float = 5.0) -> None:
        del timeout

    def kinds(self, what: str, service: str | None = None) -> list[str]:
        """The kinds said in this way, in order."""
        return [said.kind for said in self.said if said.what == what and service in (None, said.service)]
