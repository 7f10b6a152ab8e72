"""Where alerts go: the channels, the record of what was told, and what still waits to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.domain.alerting.conditions import Severity
from monitor.domain.alerting.open_alerts import Alert, Message, OpenAlerts, Silence


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way. `key` is the same at every try; `repeated`: an earlier try may have arrived."""

    key: str
    message: Message
    repeated: bool = False


class Channel(Protocol):
    """One place to tell. `id` (scheme:hash) is the same over restarts; `label` shows it without its secrets."""

    @property
    def id(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def min_severity(self) -> Severity: ...

    def prepare(self) -> None:
        """Do beforehand what the first message should not wait for. Never raises."""
        ...

    def send(self, outgoing: Outgoing, *, deadline: float) -> None:
        """Return when the channel took it. Raises NotifyError, after `deadline` seconds at the latest."""
        ...


@dataclass(frozen=True, slots=True)
class Pending:
    """A message in the outbox for one channel. `attempts` counts the tries begun."""

    id: int
    channel: str
    outgoing: Outgoing
    created_at: float
    attempts: int
    next_at: float


@dataclass(frozen=True, slots=True)
class Decided:
    """What a look at the book led to: the book after it, and what each channel is to be told."""

    book: OpenAlerts
    outgoing: Sequence[tuple[str, Outgoing]] = ()  # channel id, message


class AlertStore(Protocol):
    """Every call is one transaction, durable when it returns. Raises StateError."""

    def decide(self, decision: Callable[[OpenAlerts, Sequence[Silence]], Decided], now: float) -> Decided:
        """Read the open alerts and the silences, decide, and keep the new book with its messages: all or nothing."""
        ...

    def book(self) -> OpenAlerts: ...

    def ended(self, since: float) -> list[tuple[Alert, float]]:
        """Alerts that people were told of and that ended since then, with their ends; newest first."""
        ...

    def silence(self, pattern: str, *, until: float, reason: str, by: str, now: float) -> Silence: ...

    def silences(self, now: float) -> list[Silence]:
        """Those that last at `now`."""
        ...

    def lift(self, silence: int, now: float) -> bool:
        """End it; False when there is no such silence."""
        ...

    def next(self, channel: str) -> Pending | None:
        """The oldest message that the channel did not take yet."""
        ...

    def begin(self, entry: Pending) -> None:
        """Note that a try begins, so that one who finds this later knows that it may have arrived."""
        ...

    def delivered(self, entry: Pending, now: float) -> None: ...

    def postpone(self, entry: Pending, *, until: float, error: str, unsure: bool) -> None:
        """Try again at `until`; `unsure`: this try may have arrived."""
        ...

    def give_up(self, entry: Pending, now: float, error: str) -> None: ...

    def adopt(self, channels: Sequence[str], now: float) -> int:
        """Hand what waits for channels that are no more to one of the same scheme; how many had nowhere to go.

        A channel whose token was changed is a new one, and what waited for the old one is meant for it.
        """
        ...

    def waiting(self) -> dict[str, int]:
        """Messages that wait, by channel."""
        ...

    def errors(self) -> dict[str, str]:
        """Why the oldest message of a channel still waits, where a try failed."""
        ...

    def sent(self) -> dict[str, int]:
        """Totals by result: delivered, failed (tries), dropped. They never fall."""
        ...

    def prune(self, now: float) -> None:
        """Forget what ended, was delivered or expired long ago."""
        ...


class AlertSink(Protocol):
    """A system that groups, repeats and silences on its own, such as Alertmanager."""

    def push(
        self, alerts: Sequence[Alert], ended: Sequence[tuple[Alert, float]], *, now: float, deadline: float
    ) -> None:
        """Make it know what is open, and what ended when; may be called again and again. Raises NotifyError."""
        ...
