"""Slices of a day for health bars and sparklines, out of probe results kept in finer ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from monitor.domain.health.status import HealthBucket

Kind = Literal["none", "good", "part", "bad"]
PART = 0.5  # from this share of failed probes on a slice counts as down, below it as disturbed


@dataclass(frozen=True, slots=True)
class Slice:
    """`at` is its start; `latency` the mean in seconds over its good and bad probes, None without any."""

    at: float
    probes: int = 0
    failures: int = 0
    latency: float | None = None

    @property
    def kind(self) -> Kind:
        if not self.probes:
            return "none"
        share = self.failures / self.probes
        return "bad" if share >= PART else "part" if share else "good"


def slices(history: Sequence[HealthBucket], now: float, *, span: float = 86400.0, count: int = 48) -> tuple[Slice, ...]:
    """`count` equal slices, the last of which holds `now`; they begin at whole multiples, so bars do not crawl."""
    width = span / count
    first = math.floor(now / width) - count + 1
    probes, failures, seconds = [0] * count, [0] * count, [0.0] * count
    for bucket in history:
        place = math.floor(bucket.at / width) - first
        if 0 <= place < count:
            probes[place] += bucket.probes
            failures[place] += bucket.failures
            seconds[place] += bucket.latency * bucket.probes
    return tuple(
        Slice((first + place) * width, probes[place], failures[place], seconds[place] / probes[place])
        if probes[place]
        else Slice((first + place) * width)
        for place in range(count)
    )


def availability(parts: Sequence[Slice]) -> float | None:
    """The share of good probes, between 0 and 1; None without probes."""
    probes = sum(part.probes for part in parts)
    return None if not probes else 1 - sum(part.failures for part in parts) / probes
