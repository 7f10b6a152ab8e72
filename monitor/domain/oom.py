"""Processes that the kernel killed for want of memory: while their container lives on, and as the cause of its death.

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

KILL_WINDOW: Final = 600.0  # seconds that a kill counts against a service
JUST_BEFORE: Final = 10.0  # a death so soon after a kill is its consequence
_SIGKILLED: Final = 137


def count_kills(turn: Turn, container: Container) -> None:
    """Take in the kernel's count for a running container. What is older than our first look at it is no news."""
    found = turn.facts.oom_kills
    if found is None:
        return
    known = turn.watch.oom_kills
    if known is None:
        young = container.started_at is not None and turn.now - container.started_at < KILL_WINDOW
        known = 0 if young else found
    turn.remember(oom_kills=found)
    if found > known:
        turn.remember(oom_at=turn.now)
        turn.actions.append(CountKills(found - known))
        if turn.watch.state == "degraded":
            turn.note(kill_words(found, turn.facts.memory))


def memory_strain(turn: Turn) -> str:
    """Why it counts as degraded; empty while the kernel leaves it alone.

    A kill that is followed by the container's death within a moment is told with that death.
    """
    watch, now = turn.watch, turn.now
    if watch.oom_at is None or now >= watch.oom_at + KILL_WINDOW:
        return ""
    if watch.state == "healthy" and now < watch.oom_at + SETTLE:
        turn.wake_at(watch.oom_at + SETTLE)
        return ""
    turn.wake_at(watch.oom_at + KILL_WINDOW)
    return kill_words(watch.oom_kills or 1, turn.facts.memory)


def killed_just_before(watch: Watch, at: float) -> bool:
    return watch.oom_at is not None and abs(at - watch.oom_at) <= JUST_BEFORE


def flagged(watch: Watch, container: Container, at: float) -> bool:
    """Whether Docker's flag says how the container died at `at`, and not only what happened in it before."""
    only_a_child = watch.oom_at is not None and container.exit_code != _SIGKILLED
    return container.oom_killed and (not only_a_child or killed_just_before(watch, at))


def kills_before(turn: Turn) -> str:
    """What to add to a cause that is not itself the want of memory, as `; before that, ...`; empty without a kill."""
    watch = turn.watch
    if watch.oom_at is None or turn.now >= watch.oom_at + KILL_WINDOW:
        return ""
    return f"; before that, {kill_words(watch.oom_kills or 1, turn.facts.memory)}"
