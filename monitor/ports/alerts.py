"""How the watchdog tells people."""

from __future__ import annotations

from typing import Protocol

from monitor.domain.alerting.conditions import Condition, ConditionKind


class Alerts(Protocol):
    """Every call is durable when it returns and never waits for a chat service."""

    def fire(self, condition: Condition, now: float) -> None:
        """It is wrong (again or still): an open alert is updated, never doubled."""
        ...

    def resolve(self, kind: ConditionKind, service: str, now: float, note: str = "") -> None:
        """It is right again; nothing happens when no such alert is open."""
        ...

    def tell(self, condition: Condition, now: float) -> None:
        """Something happened and is over (healed, rolled back): one message, nothing stays open."""
        ...
