"""From single probes to a verdict: enough good ones in a row, or enough bad ones."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from monitor.domain.containers import Container
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.facts import HealthVerdict


@dataclass(frozen=True, slots=True)
class ProbeStreak:
    """Of one life of one service: `length` counts the last results that agree, good or bad ones."""

    life: str = ""
    good: bool = False
    length: int = 0
    verdict: HealthVerdict | None = None


def count(streak: ProbeStreak, shortfall: str, policy: HealthPolicy, now: float) -> ProbeStreak:
    """The streak after one more probe; an empty `shortfall` is a good one."""
    good = not shortfall
    length = streak.length + 1 if good == streak.good else 1
    streak = replace(streak, good=good, length=length)
    needed = policy.successes if good else policy.failures
    decided = streak.verdict is not None and streak.verdict.ok == good
    if length >= needed and not decided:
        return replace(streak, verdict=HealthVerdict(good, now, shortfall))
    return streak


def by_engine(container: Container, policy: HealthPolicy, now: float) -> HealthVerdict | None:
    """The verdict where no probe is made: by the image's HEALTHCHECK, or by staying up for `settle` seconds."""
    if container.state != "running":
        return None
    if policy.mode == "docker":
        if container.health in (None, "starting"):
            return None
        bad = container.health == "unhealthy"
        return HealthVerdict(not bad, now, "Docker's health check says unhealthy" if bad else "")
    started = now if container.started_at is None else container.started_at
    return HealthVerdict(True, started + policy.settle) if now >= started + policy.settle else None


def phase(service: str, interval: float) -> float:
    """Where in its interval a service is probed, in seconds: spread evenly, and the same in every run.

    >>> 0 <= phase("core", 5.0) < 5.0
    True
    """
    return zlib.crc32(service.encode()) / 2**32 * interval
