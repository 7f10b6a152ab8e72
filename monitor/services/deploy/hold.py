"""`deploy.order: stop-first`: requests wait at the proxy while the active container stops and the candidate starts.

For services that cannot run twice, such as one that locks a file on its volume. All that can be done beforehand is done
before the first request waits: the image is here, the container is made, the proxy's configuration is checked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import HealthPolicy, ServiceSpec
from monitor.services.deploy.candidate import Candidate, retire
from monitor.services.deploy.deps import DeployDeps, DeployRequest
from monitor.services.deploy.journal import Journal
from monitor.services.deploy.own import running_release
from monitor.services.deploy.traffic import traffic_of

_ANY_TIME: Final = 0.1  # seconds; a gate looks once at least
STOP_FIRST_HINT: Final = (
    "both versions write to {volume}: if the service cannot run twice on it, set deploy.order: stop-first"
)


def wanted(deps: DeployDeps, request: DeployRequest, active: Release | None) -> bool:
    """Whether the active container has to stop before the candidate starts.

    A rollback goes by what holds today as well: the release it brings back may be older than the setting.
    """
    if active is None:
        return False
    orders = [request.spec.deploy.order]
    if request.kind == "rollback":
        orders.append(active.spec.deploy.order)
    if "stop-first" not in orders:
        return False
    container = running_release(deps.engine, active)
    return container is not None and container.running


class Hold:
    """From `begin` on requests wait, until the switch; `left` says how long they still may."""

    def __init__(self, deps: DeployDeps, spec: ServiceSpec, journal: Journal, active: Release) -> None:
        self._deps = deps
        self._spec = spec
        self._journal = journal
        self._active = active
        self._began: float | None = None

    def begin(self, candidate: Candidate) -> None:
        """Let requests wait, and stop the active container once it is idle, or once its stop timeout has passed."""
        deps, spec, active = self._deps, self._spec, self._active
        stop = active.spec.deploy.stop
        traffic = traffic_of(deps, spec, active)
        self._journal.note("hold", candidate.note())
        self._began = deps.clock.monotonic()
        deps.tell("waiting", spec.name, f"requests wait while {active.color} stops", limit=spec.deploy.wait)
        traffic.hold()
        with self._journal.timed("drain"):
            left = traffic.drained(active.color, min(spec.deploy.drain, stop))
        if left:
            deps.tell("warning", spec.name, f"{left} requests are still under way as {active.color} is stopped")
        with self._journal.timed("stop"):
            retire(deps.engine, active.container)
            deps.engine.stop(active.container, stop)

    def left(self) -> float:
        """Seconds that requests may still wait."""
        return max(_ANY_TIME, self._spec.deploy.wait - self.waited())

    def waited(self) -> float:
        """Seconds since the first request waited; 0 while none does."""
        return 0.0 if self._began is None else self._deps.clock.monotonic() - self._began

    def bounded(self, policy: HealthPolicy) -> HealthPolicy:
        """The candidate's gate, which ends in time."""
        return replace(policy, start=min(policy.start, self.left()))

    def measure(self) -> float:
        """Write down how long requests waited; seconds."""
        self._journal.timings["wait"] = round(self.waited(), 6)
        return self._journal.timings["wait"]

    def hint(self) -> str:
        """What to do when the time was too short; empty when it was not."""
        if self.waited() < self._spec.deploy.wait:
            return ""
        return f"requests wait {self._spec.deploy.wait:g} s at most: where starting takes longer, raise deploy.wait"


def shared_volume(spec: ServiceSpec, active: Release | None) -> str:
    """A volume or folder that both the spec and the active release write to; empty when there is none."""
    if active is None:
        return ""
    both = _written(spec.volumes) & _written(active.spec.volumes)
    return min(both, default="")


def _written(volumes: tuple[str, ...]) -> set[str]:
    parts = [volume.split(":") for volume in volumes]
    return {part[0] for part in parts if len(part) > 1 and "ro" not in part[-1].split(",")}
