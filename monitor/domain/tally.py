"""From single probes to a verdict: enough good ones in a row, or enough bad ones."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from monitor.domain.containers import Container
from monitor.domain.spec import HealthPolicy
from monitor.domain.watchfacts import Verdict


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one life of one service: `streak` counts the last results that agree, good or bad ones."""

    life: str = ""
    good: bool = False
    streak: int = 0
    verdict: Verdict | None = None


def count(tally: Tally, shortfall: str, policy: HealthPolicy, now: float) -> Tally:
    """The tally after one more probe; an empty `shortfall` is a good one."""
    good = not shortfall
    streak = tally.streak + 1 if good == tally.good else 1
    tally = replace(tally, good=good, streak=streak)
    needed = policy.successes if good else policy.failures
    decided = tally.verdict is not None and tally.verdict.ok == good
    if streak >= needed and not decided:
        return replace(tally, verdict=Verdict(good, now, shortfall))
    return tally


def by_engine(container: Container, policy: HealthPolicy, now: float) -> Verdict | None:
    """The verdict where no probe is made: by the image's HEALTHCHECK, or by staying up for `settle` seconds."""
    if container.state != "running":
        return None
    if policy.mode == "docker":
        if container.health in (None, "starting"):
            return None
        bad = container.health == "unhealthy"
        return Verdict(not bad, now, "Docker's health check says unhealthy" if bad else "")
    started = now if container.started_at is None else container.started_at
    return Verdict(True, started + policy.settle) if now >= started + policy.settle else None


def phase(service: str, interval: float) -> float:
    """Where in its interval a service is probed, in seconds: spread evenly, and the same in every run.

    >>> 0 <= phase("core", 5.0) < 5.0
    True
    """
    return zlib.crc32(service.encode()) / 2**32 * interval
