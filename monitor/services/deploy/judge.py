"""Judging the candidate while the active container still runs: the canary steps, then the bake."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.domain.containers import Container
from monitor.domain.deploy.bake import LOOK_EVERY, Traffic, baseline, between, regression
from monitor.domain.deploy.spec import HealthPolicy, ServiceSpec
from monitor.domain.health.probing import shortfall
from monitor.domain.logs.requests import RequestWindow
from monitor.domain.names import Color
from monitor.domain.proxy.routes import SlotCounters
from monitor.errors import BakeFailed, ProxyError, SourceError, UnreachableError
from monitor.services.deploy.candidate import Candidate
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.traffic import TrafficControl


@dataclass(frozen=True, slots=True)
class Judge:
    """Looks at one candidate, as often as it is asked to.

    `before` are its slot's counters from before its first request.
    """

    deps: DeployDeps
    spec: ServiceSpec
    policy: HealthPolicy
    traffic: TrafficControl
    container: str
    candidate: Candidate
    before: SlotCounters | None

    def observe(self, seconds: float, phase: str, *, active_share: float, window_from: float | None = None) -> None:
        """Watch the candidate for `seconds`.

        Args:
            seconds: how long.
            phase: what it is called in the message: "bake", "canary at 10%".
            active_share: the active slot's 5xx share before the swap, 0 to 1.
            window_from: since when the candidate has had all the traffic, unix seconds, so that the log's requests are
                its own.

        Raises:
            BakeFailed: it got worse than the active release was.
        """
        clock = self.deps.clock
        until = clock.monotonic() + seconds
        next_probe = clock.monotonic()
        kills_before = self._kills(self.deps.engine.inspect(self.container))
        failed = 0
        # A probe that failed near the end is asked again: a short bake must not pass a candidate that hangs.
        while clock.monotonic() < until or failed:
            if self.deps.cancelled():
                raise BakeFailed(f"interrupted during the {phase}")
            if clock.monotonic() >= next_probe:
                failed = failed + 1 if self._unhealthy() else 0
                next_probe = clock.monotonic() + self.policy.interval
            problem = self._problem(failed, kills_before, active_share, window_from)
            if problem:
                raise BakeFailed(f"the candidate got worse in the {phase}: {problem}")
            clock.sleep(min(LOOK_EVERY, max(0.02, until - clock.monotonic())))

    def _unhealthy(self) -> bool:
        if self.policy.mode != "http" or self.candidate.port is None:
            return False
        return bool(
            shortfall(self.policy, self.deps.prober.probe(self.candidate.address, self.candidate.port, self.policy))
        )

    def _problem(self, failed: int, kills_before: int, active_share: float, window_from: float | None) -> str:
        bake = self.spec.deploy.bake
        window: RequestWindow | None = None
        asks = bake.max_error_rate is not None or bake.max_p95 is not None or bool(bake.max_events)
        if window_from is not None and asks:
            window = self._logged(window_from)
        container = self.deps.engine.inspect(self.container)
        return regression(
            bake,
            container=container,
            oom_kills=self._kills(container) - kills_before,
            memory=self.spec.limits.memory,
            restarts_before=0,
            failed_probes=failed,
            allowed_failures=self.policy.failures,
            blue_share=active_share,
            green=self._traffic(),
            window=window,
        )

    def _kills(self, container: Container | None) -> int:
        """How many processes the kernel killed in it so far, where it tells."""
        return (self.deps.engine.oom_kills(container) or 0) if container is not None else 0

    def _traffic(self) -> Traffic:
        if not self.spec.proxied:
            return Traffic()
        try:
            return between(self.before, self.traffic.counters(self.candidate.color))
        except (UnreachableError, ProxyError):
            return Traffic()  # a proxy that restarts says nothing about the candidate

    def _logged(self, since: float) -> RequestWindow | None:
        if self.deps.stats is None:
            return None
        try:
            return self.deps.stats.window([self.spec.name], since, self.deps.clock.now()).get(self.spec.name)
        except (UnreachableError, SourceError):
            return None  # nor does a log source that is away


def active_baseline(spec: ServiceSpec, traffic: TrafficControl, color: Color, earlier: SlotCounters | None) -> float:
    """The active slot's 5xx share, 0 to 1, since `earlier`, or in all where that was too little traffic.

    0 when the proxy can't tell.
    """
    if not spec.proxied:
        return 0.0
    try:
        now = traffic.counters(color)
    except (UnreachableError, ProxyError):
        return 0.0
    return baseline(spec.deploy.bake, between(earlier, now), Traffic(now.requests, now.errors))
