"""Processes that the kernel killed for want of memory: while their container lives on, and what it dies of later.

The kernel counts them for each container, also when it is not the first process that it kills: a worker is gone, its
container runs on, and an engine of version 20.10 tells nothing of it, neither by an event nor by its flag. Where the
flag stands for any process of the container, as the engine's API has it, it stays set until the next start: it then
does not say how the container died days later.
"""

from __future__ import annotations

from typing import Final

from monitor.domain.causes import kill_words
from monitor.domain.containers import Container
from monitor.domain.intent import SETTLE
from monitor.domain.turn import Turn
from monitor.domain.watch import Watch
from monitor.domain.watchfacts import CountKills

KILL_WINDOW: Final = 600.0  # seconds that a first kill counts against a service
REPEATED_WINDOW: Final = 3600.0  # from the second one on: a leak is one story, not one every eleven minutes
_SIGKILLED: Final = 137


def count_kills(turn: Turn, container: Container, life: str) -> None:
    """Take in the kernel's count for a running container. What is older than our first look at it is no news."""
    found = turn.facts.oom_kills
    if found is None:
        return
    if turn.watch.oom_life != life:
        young = container.started_at is not None and turn.now - container.started_at < KILL_WINDOW
        turn.remember(oom_life=life, oom_kills=0 if young else found, oom_at=None)
    new = found - turn.watch.oom_kills
    turn.remember(oom_kills=found)
    if new > 0:
        turn.remember(oom_at=turn.now)
        turn.actions.append(CountKills(new))


def memory_strain(turn: Turn) -> str:
    """Why it counts as degraded; empty while the kernel leaves it alone.

    A kill that is followed by the container's death within a moment is told with that death.
    """
    watch, now = turn.watch, turn.now
    if not _lately(watch, now):
        return ""
    assert watch.oom_at is not None
    if watch.state == "healthy" and now < watch.oom_at + SETTLE:
        turn.wake_at(watch.oom_at + SETTLE)
        return ""
    turn.wake_at(watch.oom_at + _window(watch))
    return kill_words(watch.oom_kills, turn.facts.memory)


def flagged(watch: Watch, container: Container) -> bool:
    """Whether Docker's flag says how the container died, and not only what happened in it before."""
    only_a_child = watch.oom_kills > 0 and container.exit_code != _SIGKILLED
    return container.oom_killed and not only_a_child


def kills_before(turn: Turn) -> str:
    """What to add to a cause that is not itself the want of memory, as `; before that, ...`; empty without a kill."""
    if not _lately(turn.watch, turn.now):
        return ""
    return f"; before that, {kill_words(turn.watch.oom_kills, turn.facts.memory)}"


def _lately(watch: Watch, now: float) -> bool:
    return watch.oom_at is not None and now < watch.oom_at + _window(watch)


def _window(watch: Watch) -> float:
    return KILL_WINDOW if watch.oom_kills <= 1 else REPEATED_WINDOW
