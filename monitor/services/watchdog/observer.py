"""Gathers everything known about one service at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from monitor.domain.containers import Container
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import HealthPolicy, ServiceSpec
from monitor.domain.health.deaths import life_of
from monitor.domain.health.facts import Facts, HealthVerdict, Wanted
from monitor.domain.health.probing import effective_policy, probe_url
from monitor.domain.health.threshold import by_engine
from monitor.errors import UsageError
from monitor.services.deploy.rollback import choose
from monitor.services.watchdog.deps import WatchDeps, WatchSettings


@dataclass(frozen=True, slots=True)
class Seen:
    facts: Facts
    release: Release
    spec: ServiceSpec


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how a service is probed; `life` says for which run the answers count."""

    life: str
    url: str
    policy: HealthPolicy


class Observer:
    """`targets` is what the probes work from; it is replaced, never changed, so that they may read it anywhere."""

    def __init__(
        self, deps: WatchDeps, settings: WatchSettings, verdicts: Callable[[str, str], HealthVerdict | None]
    ) -> None:
        self._deps = deps
        self._verdicts = verdicts
        self._wanted: dict[str, tuple[str, Wanted]] = {}
        self._ids: dict[str, str] = {}
        self._kernel_knows: set[str] = set()
        self.settings = settings
        self.targets: dict[str, Target] = {}
        self.seen: dict[str, Seen] = {}

    def service_of(self, container: str) -> str | None:
        """The service whose active release runs in this container."""
        return self._ids.get(container)

    def drop(self, service: str) -> None:
        self._ids = {ref: name for ref, name in self._ids.items() if name != service}
        self._kernel_knows &= self._ids.keys()
        self.targets = {name: target for name, target in self.targets.items() if name != service}
        self.seen = {name: seen for name, seen in self.seen.items() if name != service}

    def see(
        self,
        service: str,
        now: float,
        *,
        oom_events: Callable[[str], int],
        signalled: Callable[[str], float | None],
        **more: Any,
    ) -> Seen | None:
        """None when the service is not deployed here. Raises EngineUnreachable.

        `oom_events` says how many the engine told of, by container: all that is known where the kernel is out of sight.
        `signalled` is EventMemory's.
        """
        store = self._deps.store
        release = store.active(service)
        if release is None:
            return None
        flags = store.flags(service)
        spec = self._spec(release)
        container = self._container(release)
        health = effective_policy(
            spec.health, port=release.port, healthcheck=container is not None and container.health is not None
        )
        facts = Facts(
            wanted=self._wanted_of(release),
            container=container,
            health=health,
            heal=spec.heal,
            locked=self._deps.locks.held(service),
            stopped_by=flags.stopped_by,
            stopped_at=flags.stopped_at,
            verdict=self._verdict(service, container, health, now),
            oom_kills=self._oom_kills(container, oom_events),
            memory=spec.limits.memory,
            signalled=signalled(container.id) if container is not None else None,
            **more,
        )
        self._aim(release, container, health)
        seen = Seen(facts, release, spec)
        self.seen = {**self.seen, service: seen}
        return seen

    def _spec(self, release: Release) -> ServiceSpec:
        """How to run it is what it was deployed with; how to watch and heal it is what bgmon.yml says today."""
        today = self.settings.specs.get(release.service)
        if today is None:
            return release.spec
        return replace(release.spec, health=today.health, heal=today.heal, depends_on=today.depends_on)

    def _container(self, release: Release) -> Container | None:
        """The recorded container, and no other: labels are easily forged, its id is not."""
        container = self._deps.engine.inspect(release.container)
        if container is None:
            return None
        if container.id not in self._ids:  # what ran before it, or was replaced by it, is not watched any more
            self._ids = {ref: name for ref, name in self._ids.items() if name != release.service}
            self._ids[container.id] = release.service
            self._kernel_knows &= self._ids.keys()
        return container

    def _oom_kills(self, container: Container | None, told: Callable[[str], int]) -> int | None:
        if container is None or not container.running:
            return None
        counted = self._deps.engine.oom_kills(container)
        if counted is not None:
            self._kernel_knows.add(container.id)
        elif container.id not in self._kernel_knows:  # the two do not count alike: no change of horses
            return told(container.id)
        return counted

    def _wanted_of(self, release: Release) -> Wanted:
        known = self._wanted.get(release.service)
        if known is None or known[0] != release.deploy:
            known = (release.deploy, self._read_wanted(release))
            self._wanted[release.service] = known
        return known[1]

    def _read_wanted(self, release: Release) -> Wanted:
        store = self._deps.store
        kind = next((r.kind for r in store.deploys(release.service, limit=200) if r.id == release.deploy), "deploy")
        try:
            previous = "" if kind == "rollback" else choose(store, release.service, None).version
        except UsageError:
            previous = ""
        return Wanted(release.deploy, release.version, release.at, previous)

    def _verdict(
        self, service: str, container: Container | None, health: HealthPolicy, now: float
    ) -> HealthVerdict | None:
        if container is None or not container.running:
            return None
        if health.mode == "http":
            return self._verdicts(service, life_of(container))
        return by_engine(container, health, now)

    def _aim(self, release: Release, container: Container | None, health: HealthPolicy) -> None:
        """Point the probes at what runs now, or take them away."""
        target = None
        if container is not None and container.running and health.mode == "http" and release.port is not None:
            target = Target(life_of(container), probe_url(health, release.port, release.address), health)
        if self.targets.get(release.service) != target:
            targets = {name: known for name, known in self.targets.items() if name != release.service}
            self.targets = targets if target is None else {**targets, release.service: target}
