"""One round of the watchdog without a daemon: look, heal, probe, look again. For cron, and for trying things out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from monitor import masking
from monitor.domain.health.facts import HealthVerdict
from monitor.domain.health.probing import failing
from monitor.domain.health.threshold import ProbeStreak, count
from monitor.domain.health.watch import Watch
from monitor.errors import EngineUnreachable
from monitor.ports.watch import AsyncProber
from monitor.services.watchdog.deps import WatchDeps, WatchSettings
from monitor.services.watchdog.observer import Target
from monitor.services.watchdog.reconciler import Reconciler


class OneShot:
    """What was seen and done in the round is in `reconciler.watches`, and in the state file."""

    def __init__(self, deps: WatchDeps, settings: WatchSettings, make_prober: Callable[[], AsyncProber]) -> None:
        self._deps = deps
        self._make_prober = make_prober
        self._verdicts: dict[str, tuple[str, HealthVerdict]] = {}
        self.reconciler = Reconciler(
            deps, settings, dispatch=lambda act: act(), settle=lambda job: job(), verdicts=self._verdict
        )

    def _verdict(self, service: str, life: str) -> HealthVerdict | None:
        known = self._verdicts.get(service)
        return known[1] if known is not None and known[0] == life else None

    def run(self) -> dict[str, Watch]:
        """The picture after the round. Raises EngineUnreachable, StateError."""
        if self._deps.store.unfinished():
            self._deps.deployer.recover()
        self._look()
        asyncio.run(self._probe())
        before = {name: watch.attempts for name, watch in self.reconciler.watches.items()}
        self._look()
        if any(watch.attempts != before.get(name) for name, watch in self.reconciler.watches.items()):
            asyncio.run(self._probe())  # verify what was healed
            self._look()
        return self.reconciler.watches

    def _look(self) -> None:
        for service in dict.fromkeys([*self.reconciler.services(), *self.reconciler.watches]):
            self.reconciler.look(service, self._deps.clock.now())
            if self.reconciler.engine.lost_at is not None:
                raise EngineUnreachable(
                    "the Docker engine does not answer", hint="see: systemctl status docker, or: bgmon doctor"
                )

    async def _probe(self) -> None:
        prober = self._make_prober()
        try:
            targets = self.reconciler.observer.targets
            await asyncio.gather(*(self._judge(prober, name, target) for name, target in targets.items()))
        finally:
            await prober.close()

    async def _judge(self, prober: AsyncProber, service: str, target: Target) -> None:
        """Probe until enough answers agree, or the start period of a new container is over."""
        policy, clock = target.policy, self._deps.clock
        started = float(target.life.partition("@")[2] or 0)
        streak = ProbeStreak(life=target.life)
        while streak.verdict is None or (not streak.verdict.ok and clock.now() < started + policy.start):
            answer = await prober.probe(target.url, policy)
            streak = count(streak, failing(policy, answer, masking.clean), policy, clock.now())
            if streak.verdict is None or not streak.verdict.ok:
                await asyncio.sleep(policy.interval)
        self._verdicts[service] = (target.life, streak.verdict)
