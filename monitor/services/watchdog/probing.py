"""Probes every service at its own moment of each interval, and tells when enough answers agree.

A service's phase is hashed from its name, so that hundreds of them spread evenly and in the same way in every run.
A probe that was slow only because this process was slow counts for nothing, and no service is called down before this
host was seen to reach itself.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from monitor import masking
from monitor.domain.health.facts import HealthVerdict
from monitor.domain.health.probing import ProbeAnswer, failing
from monitor.domain.health.status import HealthBucket
from monitor.domain.health.threshold import ProbeStreak, count, phase
from monitor.ports.clock import Clock
from monitor.ports.watch import AsyncProber
from monitor.services.watchdog.observer import Target

BUCKET: Final = 900.0  # seconds of one slice of the 24 h bars
_TICK: Final = 0.2
_LATE: Final = 0.5
_CHECK_KEPT: Final = 1.0


@dataclass(slots=True)
class Last:
    """The last answer of a service, for metrics."""

    ok: bool
    seconds: float


class Probing:
    """Runs on the event loop; `verdict` may be asked from any thread.

    Args:
        prober: makes one probe.
        targets: what is to be probed; a new mapping whenever it changes.
        on_verdict: told the service's name when a verdict is new.
        selfcheck: what is wrong with this host's own connectivity; empty when nothing is.
        on_offline: told what is wrong when failures are put down to that, and "" once it is over.
        clock: for the time of verdicts and slices.
        limit: probes under way at once.
    """

    def __init__(
        self,
        prober: AsyncProber,
        targets: Callable[[], Mapping[str, Target]],
        *,
        on_verdict: Callable[[str], None],
        selfcheck: Callable[[], Awaitable[str]],
        on_offline: Callable[[str], None],
        clock: Clock,
        limit: int = 256,
    ) -> None:
        self._prober = prober
        self._targets = targets
        self._on_verdict = on_verdict
        self._selfcheck = selfcheck
        self._on_offline = on_offline
        self._clock = clock
        self._slots = asyncio.Semaphore(limit)
        self._known: Mapping[str, Target] = {}
        self._queue: list[tuple[float, str]] = []
        self._tallies: dict[str, ProbeStreak] = {}
        self._flying: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._buckets: dict[tuple[str, float], list[float]] = {}
        self._checked = -math.inf
        self._wrong = ""
        self._offline = ""
        self._stalled = -math.inf
        self.last: dict[str, Last] = {}
        self.late = 0
        """Probes that began more than half a second after their moment, or were left out."""
        self.made = 0

    def verdict(self, service: str, life: str) -> HealthVerdict | None:
        streak = self._tallies.get(service)
        return streak.verdict if streak is not None and streak.life == life else None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._refresh()
                self._start_due()
                wait = min(_TICK, self._queue[0][0] - time.monotonic()) if self._queue else _TICK
                expected = time.monotonic() + max(wait, 0.0)
                await asyncio.sleep(max(wait, 0.0))
                if time.monotonic() - expected > _LATE:
                    self._stalled = time.monotonic()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def take_buckets(self) -> dict[str, list[HealthBucket]]:
        """What was probed since the last call, in slices of time."""
        taken, self._buckets = self._buckets, {}
        found: dict[str, list[HealthBucket]] = {}
        for (service, at), (probes, failures, seconds) in taken.items():
            answered = probes - failures
            bucket = HealthBucket(at, int(probes), int(failures), seconds / answered if answered else 0.0)
            found.setdefault(service, []).append(bucket)
        return found

    # -- the schedule --

    def _refresh(self) -> None:
        targets = self._targets()
        if targets is self._known:
            return
        now = time.monotonic()
        for service, target in targets.items():
            known = self._known.get(service)
            if known is None or known.policy.interval != target.policy.interval:
                self._queue = [entry for entry in self._queue if entry[1] != service] if known else self._queue
                heapq.heappush(self._queue, (_next(service, target.policy.interval, now), service))
            if self._tallies.get(service, ProbeStreak()).life != target.life:
                self._tallies[service] = ProbeStreak(life=target.life)
        for service in self._known.keys() - targets.keys():
            self._tallies.pop(service, None)
            self.last.pop(service, None)
        if self._known.keys() - targets.keys():
            self._queue = [entry for entry in self._queue if entry[1] in targets]
        heapq.heapify(self._queue)
        self._known = targets

    def _start_due(self) -> None:
        now = time.monotonic()
        while self._queue and self._queue[0][0] <= now:
            due, service = heapq.heappop(self._queue)
            target = self._known[service]
            policy = target.policy
            heapq.heappush(self._queue, (_next(service, policy.interval, max(now, due)), service))
            flying = self._flying.get(service, 0)
            if flying > policy.timeout / max(policy.interval, 0.001):
                self.late += 1
                continue
            self._flying[service] = flying + 1
            task = asyncio.create_task(self._probe(service, target, due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    # -- one probe --

    async def _probe(self, service: str, target: Target, due: float) -> None:
        try:
            async with self._slots:
                began = time.monotonic()
                if began - due > _LATE:
                    self.late += 1
                answer = await self._prober.probe(target.url, target.policy)
                ended = time.monotonic()
        finally:
            self._flying[service] -= 1
        self.made += 1
        missing = failing(target.policy, answer, masking.clean)
        if missing and (ended - began > target.policy.timeout + _LATE or self._stalled >= began):
            return  # it is this process that was late
        await self._count(service, target, answer, missing)

    async def _count(self, service: str, target: Target, answer: ProbeAnswer, missing: str) -> None:
        now = self._clock.now()
        streak = self._tallies.get(service)
        if streak is None or streak.life != target.life:
            return  # an answer of a life that is over
        self.last[service] = Last(not missing, answer.seconds)
        self._slice(service, answer, bad=bool(missing), now=now)
        if self._offline and not missing:
            self._offline = ""
            self._on_offline("")
        after = count(streak, missing, target.policy, now)
        fell = after.verdict is not streak.verdict and after.verdict is not None and not after.verdict.ok
        if fell and await self._our_own_fault():
            after = ProbeStreak(life=target.life, good=False, length=0, verdict=streak.verdict)
        if self._tallies.get(service) is not streak and fell:
            return  # another answer came in while this host looked at itself
        self._tallies[service] = after
        if after.verdict is not streak.verdict:
            self._on_verdict(service)

    async def _our_own_fault(self) -> bool:
        """Whether this host cannot even reach itself: looked at before a service is called down, kept for a second."""
        if time.monotonic() - self._checked > _CHECK_KEPT:
            self._wrong = await self._selfcheck()
            self._checked = time.monotonic()
        if self._wrong and not self._offline:
            self._offline = self._wrong
            self._on_offline(self._wrong)
        return bool(self._wrong)

    def _slice(self, service: str, answer: ProbeAnswer, *, bad: bool, now: float) -> None:
        entry = self._buckets.setdefault((service, now // BUCKET * BUCKET), [0, 0, 0.0])
        entry[0] += 1
        if bad:
            entry[1] += 1
        else:
            entry[2] += answer.seconds


def _next(service: str, interval: float, now: float) -> float:
    """The service's next moment after `now`."""
    offset = phase(service, interval)
    return (math.floor((now - offset) / interval) + 1) * interval + offset
