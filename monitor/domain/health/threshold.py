"""From single probes to a verdict: enough good ones in a row, or enough bad ones."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from monitor.domain.containers import Container
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.causes import check_words, span
from monitor.domain.health.facts import HealthVerdict


@dataclass(frozen=True, slots=True)
class ProbeStreak:
    """Of one life of one service: `length` counts the last results that agree, good or bad ones.

    `answers` counts all of them, `began` is when the first came, unix seconds.
    """

    life: str = ""
    good: bool = False
    length: int = 0
    verdict: HealthVerdict | None = None
    answers: int = 0
    began: float | None = None


def count(streak: ProbeStreak, shortfall: str, policy: HealthPolicy, now: float) -> ProbeStreak:
    """The streak after one more probe; an empty `shortfall` is a good one."""
    good = not shortfall
    length = streak.length + 1 if good == streak.good else 1
    began = now if streak.began is None else streak.began
    streak = replace(streak, good=good, length=length, began=began, answers=streak.answers + 1)
    needed = policy.successes if good else policy.failures
    decided = streak.verdict is not None and streak.verdict.ok == good
    if length >= needed and not decided:
        return replace(streak, verdict=HealthVerdict(good, now, shortfall))
    if streak.verdict is None and _too_late(streak, policy, now):
        return replace(streak, verdict=HealthVerdict(ok=False, at=now, detail=_never_healthy(policy, shortfall)))
    return streak


def _too_late(streak: ProbeStreak, policy: HealthPolicy, now: float) -> bool:
    """Good and bad answers take turns for longer than it may take to start, with enough of them to tell."""
    assert streak.began is not None
    return now - streak.began >= policy.start and streak.answers >= policy.successes + policy.failures


def _never_healthy(policy: HealthPolicy, shortfall: str) -> str:
    text = f"no {policy.successes} good answers in a row within {span(policy.start)} (health.start)"
    return f"{text}; the last: {shortfall}" if shortfall else text


def by_engine(container: Container, policy: HealthPolicy, now: float) -> HealthVerdict | None:
    """The verdict where no probe is made: by the image's HEALTHCHECK, or by staying up for `settle` seconds.

    A check that has not said healthy `start` seconds after the container's start counts as failed.
    """
    if container.state != "running":
        return None
    started = now if container.started_at is None else container.started_at
    if policy.mode == "docker":
        return _by_healthcheck(container, started + policy.start, policy, now)
    return HealthVerdict(True, started + policy.settle) if now >= started + policy.settle else None


def _by_healthcheck(container: Container, latest: float, policy: HealthPolicy, now: float) -> HealthVerdict | None:
    if container.health == "healthy":
        return HealthVerdict(ok=True, at=now)
    if container.health == "unhealthy":
        return HealthVerdict(ok=False, at=now, detail=check_words("unhealthy", container.check))
    if now < latest:
        return None
    if container.health is None:
        return HealthVerdict(ok=False, at=now, detail="health.mode is docker, but the image has no HEALTHCHECK")
    # Its own start period may be longer, or the check may hang: whoever waits for it is told all the same.
    detail = f"{check_words('starting', container.check)}, {span(policy.start)} (health.start) after its start"
    return HealthVerdict(ok=False, at=now, detail=detail)


def phase(service: str, interval: float) -> float:
    """Where in its interval a service is probed, in seconds: spread evenly, and the same in every run.

    >>> 0 <= phase("core", 5.0) < 5.0
    True
    """
    return zlib.crc32(service.encode()) / 2**32 * interval
