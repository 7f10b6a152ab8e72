"""Whether a person stopped a container, or it died by itself.

`docker stop` shows as `kill` (the stop signal), `die` and `stop`, from version 26 of the engine on as `kill`, `stop`
and `die`; a crash shows `die` alone. A container that Docker is about to restart shows only `stop`. `docker restart`
begins as a stop does. So whoever decides waits for `SETTLE` seconds and looks again, whichever of them came so far.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monitor.domain.containers import EngineEvent

SETTLE: Final = 2.0
# A signal that a process may outlive says little about a death much later.
_KILL_EXPLAINS: Final = 60.0
_OWN_SLACK: Final = 0.25  # the engine writes an event down a moment after the call that caused it has returned

# Signals sent to make a process reload, reopen logs or report. A death soon after is its own doing.
_HARMLESS: Final = frozenset({"0", "1", "10", "12", "18", "28", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGWINCH",
                              "HUP", "USR1", "USR2", "CONT", "WINCH"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class OwnAct:
    """When bgmon itself worked on a container; `end` is None while it still does."""

    container: str
    begin: float
    end: float | None = None


@dataclass(frozen=True, slots=True)
class StopIntent:
    """Somebody wants the container down. `certain` when the engine called it a stop."""

    at: float
    certain: bool


def is_harmless(event: EngineEvent) -> bool:
    """Whether it is a `kill` by a signal that usually ends nothing, which some images have for their stop signal."""
    return event.action == "kill" and event.signal.upper() in _HARMLESS


def intent_of(event: EngineEvent, own: Iterable[OwnAct]) -> StopIntent | None:
    """What an engine event says of a person's wish; None for an event that bgmon caused, or one that says nothing."""
    if event.action not in {"kill", "stop"}:
        return None
    if is_harmless(event):
        return None
    if any(covers(span, event) for span in own):
        return None
    return StopIntent(at=event.at, certain=event.action == "stop")


def covers(span: OwnAct, event: EngineEvent) -> bool:
    """Whether bgmon was at work on the event's container when it came about."""
    ended = span.end is not None and event.at > span.end + _OWN_SLACK
    return span.container == event.container_id and span.begin <= event.at and not ended


def explains(intent: StopIntent | None, died_at: float | None) -> bool:
    """Whether a death at `died_at` is what the person wanted.

    A `kill` is written down after the signal went out, and `stop` after the death, so the death may be a moment older.
    """
    return intent is not None and died_at is not None and -SETTLE <= died_at - intent.at <= _KILL_EXPLAINS


def merged(old: StopIntent | None, new: StopIntent | None) -> StopIntent | None:
    """The stronger of two, the later among equals."""
    if old is None or new is None:
        return new or old
    if old.certain != new.certain:
        return old if old.certain else new
    return new if new.at >= old.at else old
