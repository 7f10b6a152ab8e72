"""From conditions to messages in the outbox. Fulfils ports.alerts.Alerts."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from monitor import masking
from monitor.domain.alerting import alerts
from monitor.domain.alerting.conditions import Condition, ConditionKind
from monitor.domain.alerting.open_alerts import GRAVITY, AlertPolicy, Message, MessageLine, OpenAlerts, Silence
from monitor.ports.notify import AlertStore, Channel, Decided, Outgoing


class AlertManager:
    """Decides in one transaction what changes and who is to be told; safe from several threads.

    Args:
        store: where everything is kept.
        channels: whom to tell.
        policy: grouping, repeating, and which service needs which.
        wake: called after a message was put into the outbox.
    """

    def __init__(
        self,
        store: AlertStore,
        channels: Sequence[Channel],
        policy: AlertPolicy,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._channels = tuple(channels)
        self._policy = policy
        self.wake = wake

    def fire(self, condition: Condition, now: float) -> None:
        clean = _clean(condition)
        self._change(lambda book: alerts.fire(book, clean, now), now)

    def resolve(self, kind: ConditionKind, service: str, now: float, note: str = "") -> None:
        clean = masking.known(note)
        self._change(lambda book: (alerts.resolve(book, kind, service, now, clean), ()), now)

    def tell(self, condition: Condition, now: float) -> None:
        clean = _clean(condition)
        self._change(lambda book: (alerts.tell(book, clean, now), ()), now)

    def tick(self, now: float, *, at_once: bool = False) -> None:
        """Tell what is due: to be called about every second; `at_once` waits for no group's window."""
        policy = replace(self._policy, group=0.0) if at_once else self._policy
        self._change(lambda book: (book, ()), now, policy)

    def reconfigure(self, channels: Sequence[Channel], policy: AlertPolicy, now: float) -> int:
        """Take a new configuration over; returns how many waiting messages have nowhere to go any more."""
        self._channels = tuple(channels)
        self._policy = policy
        return self._store.adopt([channel.id for channel in channels], now)

    def firing(self) -> tuple[Condition, ...]:
        """What is wrong now, gravest first, what is hidden included."""
        open_now = [alert for alert in self._store.book().alerts.values() if alert.ended_at is None]
        open_now.sort(key=lambda alert: (-GRAVITY[alert.condition.severity], alert.since))
        return tuple(alert.condition for alert in open_now)

    def _change(
        self,
        change: Callable[[OpenAlerts], tuple[OpenAlerts, tuple[MessageLine, ...]]],
        now: float,
        policy: AlertPolicy | None = None,
    ) -> None:
        def decision(book: OpenAlerts, silences: Sequence[Silence]) -> Decided:
            book, at_once = change(book)
            book, due = alerts.flush(book, silences, policy or self._policy, now)
            lines = (*at_once, *due)
            return Decided(book, self._outgoing(Message(now, lines)) if lines else ())

        if self._store.decide(decision, now).outgoing:
            self.wake()

    def _outgoing(self, message: Message) -> list[tuple[str, Outgoing]]:
        key = uuid.uuid4().hex
        parts = [(channel.id, message.at_least(channel.min_severity)) for channel in self._channels]
        return [(channel, Outgoing(key, part)) for channel, part in parts if part is not None]


def _clean(condition: Condition) -> Condition:
    return replace(condition, summary=masking.known(condition.summary), detail=masking.known(condition.detail))
