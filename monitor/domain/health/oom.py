"""Processes that the kernel killed for want of memory: while their container lives on, and what it dies of later.

The kernel counts them for each container, also when it is not the first process that it kills: a worker is gone, its
container runs on, and an engine of version 20.10 tells nothing of it, neither by an event nor by its flag. Where the
flag stands for any process of the container, as the engine's API has it, it stays set until the next start: it then
does not say how the container died days later.
"""

from __future__ import annotations

from typing import Final

from monitor.domain.containers import Container
from monitor.domain.health.causes import kill_words
from monitor.domain.health.decision_builder import DecisionBuilder
from monitor.domain.health.facts import CountKills, Facts
from monitor.domain.health.stop_detection import SETTLE
from monitor.domain.health.watch import Watch

KILL_WINDOW: Final = 600.0  # seconds that a first kill counts against a service
REPEATED_WINDOW: Final = 3600.0  # from the second one on: a leak is one story, not one every eleven minutes
OOM_LATE: Final = 1.0  # seconds after a death in which the engine may still say that memory was why
_SIGKILLED: Final = 137


def unclear_until(facts: Facts, now: float) -> float | None:
    """Until when (unix seconds) a death by SIGKILL may still turn out to be one for want of memory; None if clear.

    The engine's flag and its `oom` event may come after `die`. Only a container with a limit of its own is waited for.
    """
    container = facts.container
    if facts.memory is None or facts.locked or container is None or container.oom_killed:
        return None
    deaths = [death.at for death in facts.deaths if death.code == _SIGKILLED and not death.oom]
    lies = container.state in {"exited", "dead", "restarting"} and container.exit_code == _SIGKILLED
    told = any(death.oom for death in facts.deaths)
    if lies and container.finished_at is not None and not told:
        deaths.append(container.finished_at)
    until = max(deaths, default=0.0) + OOM_LATE
    return until if now < until else None


def count_kills(builder: DecisionBuilder, container: Container, life: str) -> None:
    """Take in the kernel's count for a running container. What is older than our first look at it is no news."""
    found = builder.facts.oom_kills
    if found is None:
        return
    if builder.watch.oom_life != life:
        young = container.started_at is not None and builder.now - container.started_at < KILL_WINDOW
        builder.remember(oom_life=life, oom_kills=0 if young else found, oom_at=None)
    new = found - builder.watch.oom_kills
    builder.remember(oom_kills=found)
    if new > 0:
        builder.remember(oom_at=builder.now)
        builder.actions.append(CountKills(new))


def memory_strain(builder: DecisionBuilder) -> str:
    """Why it counts as degraded; empty while the kernel leaves it alone.

    A kill that is followed by the container's death within a moment is told with that death.
    """
    watch, now = builder.watch, builder.now
    if not _lately(watch, now):
        return ""
    assert watch.oom_at is not None
    if watch.state == "healthy" and now < watch.oom_at + SETTLE:
        builder.wake_at(watch.oom_at + SETTLE)
        return ""
    builder.wake_at(watch.oom_at + _window(watch))
    return kill_words(watch.oom_kills, builder.facts.memory)


def flagged(watch: Watch, container: Container) -> bool:
    """Whether Docker's flag says how the container died, and not only what happened in it before."""
    only_a_child = watch.oom_kills > 0 and container.exit_code != _SIGKILLED
    return container.oom_killed and not only_a_child


def kills_before(builder: DecisionBuilder) -> str:
    """What to add to a cause that is not itself the want of memory, as `; before that, ...`; empty without a kill."""
    if not _lately(builder.watch, builder.now):
        return ""
    return f"; before that, {kill_words(builder.watch.oom_kills, builder.facts.memory)}"


def _lately(watch: Watch, now: float) -> bool:
    return watch.oom_at is not None and now < watch.oom_at + _window(watch)


def _window(watch: Watch) -> float:
    return KILL_WINDOW if watch.oom_kills <= 1 else REPEATED_WINDOW
