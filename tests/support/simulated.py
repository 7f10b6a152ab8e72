"""A host on a clock of its own: the reconciler, on fakes, through hours of simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from monitor.adapters.docker.own import RecordedContainers
from monitor.adapters.host.locks import FileLocks
from monitor.adapters.host.secrets import FileSecrets
from monitor.adapters.state.containers import SqliteContainers
from monitor.adapters.state.db import Database
from monitor.adapters.state.deploys import SqliteDeployStore
from monitor.config.compile import service_spec
from monitor.config.service import ServiceSection
from monitor.domain.containers import ContainerSpec
from monitor.domain.deploy.records import DeployRecord, Release
from monitor.domain.health.deaths import life_of
from monitor.domain.health.facts import HealthVerdict
from monitor.errors import BgmonError, UsageError
from monitor.ports.alerts import Alerts
from monitor.services.watchdog.deps import WatchDeps, WatchSettings
from monitor.services.watchdog.reconciler import Reconciler
from monitor.testing.alerts import FakeAlerts
from monitor.testing.clock import FakeClock
from monitor.testing.engine import FakeEngine
from monitor.testing.engine_containers import Behaviour
from monitor.testing.watch import FakeTotals, FakeWatchStore

IMAGE = "example/core:v1"
OLD = 10_000.0  # seconds: a deploy of that age is no reason for anything

RECONCILE = 600.0
TICK = 1.0


@dataclass
class Act:
    at: float
    service: str
    how: str


class Deployer:
    """Creates containers again; `broken` holds what it fails with, by service."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.broken: dict[str, BgmonError] = {}
        self.rollbacks: list[str] = []

    def recreate(self, service: str) -> None:
        if service in self.broken:
            raise self.broken[service]
        self._host.acts.append(Act(self._host.clock.now(), service, "recreate"))
        self._host.make(service)

    def rollback(self, service: str, reason: str, bad: str) -> str:
        del reason, bad
        if service in self.broken:
            raise self.broken[service]
        self.rollbacks.append(service)
        release = self._host.store.releases(service)[-1]
        self._host.make(service, version=release.version, deploy=f"{service}-back", kind="rollback")
        return release.version

    def recover(self) -> list[str]:
        return []

    def reroute(self) -> list[str]:
        return []


class CountingEngine(FakeEngine):
    """Writes down who starts and restarts what."""

    acts: list[Act] = field(default_factory=list)

    def start(self, ref: str) -> None:
        super().start(ref)
        self._count(ref, "start")

    def restart(self, ref: str, timeout: float) -> None:
        super().restart(ref, timeout)
        self._count(ref, "restart")

    def _count(self, ref: str, how: str) -> None:
        container = self.inspect(ref)
        assert container is not None
        self.acts.append(Act(self.life.now(), container.service, how))


class Host:
    def __init__(
        self, folder: Path, *, alerts: Alerts | None = None, memory: FakeWatchStore | None = None, **settings: Any
    ) -> None:
        self.clock = FakeClock()
        self.engine = CountingEngine(self.clock.now)
        self.acts: list[Act] = []
        self.engine.acts = self.acts
        self.engine.build(IMAGE)
        self.database = Database(folder / "state.db")
        self.store = SqliteDeployStore(self.database)
        self.memory = memory or FakeWatchStore()
        self.totals = FakeTotals()
        self.alerts = FakeAlerts()
        self.deployer = Deployer(self)
        self.sick: set[str] = set()
        self.settings = WatchSettings(**settings)
        self._made: dict[str, dict[str, Any]] = {}
        self.deps = WatchDeps(
            project="sim",
            engine=self.engine,
            own=RecordedContainers(lambda: self.engine, SqliteContainers(self.database), "sim", folder / "proxy"),
            store=self.store,
            memory=self.memory,
            locks=FileLocks(folder / "locks"),
            secrets=FileSecrets(folder / "in", folder / "secrets", {}),
            deployer=self.deployer,
            alerts=alerts or self.alerts,
            totals=self.totals,
            clock=self.clock,
        )
        self.reconciler = self.supervise()
        self._reconciled = self.clock.now()
        self._told: dict[str, str] = {}
        self.every_step: Callable[[], None] = lambda: None

    def supervise(self) -> Reconciler:
        """A new reconciler over the same memory, as after the daemon was restarted."""
        self.reconciler = Reconciler(
            self.deps, self.settings, dispatch=lambda act: act(), settle=lambda job: job(), verdicts=self._verdict
        )
        return self.reconciler

    def _verdict(self, service: str, life: str) -> HealthVerdict | None:
        """Probes agree a second after a start."""
        started = float(life.partition("@")[2])
        if self.clock.now() < started + 1:
            return None
        return HealthVerdict(service not in self.sick, started + 1, "status 500" if service in self.sick else "")

    def make(self, service: str, *, version: str = "v1", deploy: str = "", kind: str = "deploy", **changes: Any) -> str:
        """Run a container and record it; `changes` are kept for the next time."""
        given = {**self._made.get(service, {}), **changes}
        self._made[service] = given
        section = {"image": IMAGE, "port": 3000, **given.get("section", {})}
        spec = service_spec(service, ServiceSection.model_validate(yaml.safe_load(yaml.safe_dump(section))))
        now = self.clock.now()
        old = self.store.active(service)
        deploy = deploy or (old.deploy if old is not None else f"{service}-1")
        if old is not None:
            self.engine.remove(old.container)
        labels = {"bgmon.project": "sim", "bgmon.service": service, "bgmon.deploy": deploy, "bgmon.version": version}
        container = self.engine.create(
            ContainerSpec(f"sim-{service}", IMAGE, labels, restart=given.get("restart", "unless-stopped"))
        )
        self.engine.behave(container.id, given.get("behaviour", Behaviour()))
        super(CountingEngine, self.engine).start(container.id)
        at = given.get("at", now)
        release = Release(deploy, service, "blue", version, IMAGE, IMAGE, version, 20000, container.id, spec, at)
        if old is not None and old.deploy == deploy:
            release = replace(old, container=container.id)
        record = f"{deploy}-{now}" if old is not None and old.deploy == deploy else deploy
        self.store.begin(DeployRecord(record, service, kind, IMAGE, version, "sim", at))
        self.store.finish(record, "deployed", at=at, release=release)
        return container.id

    def start(self, service: str = "core", **changes: Any) -> str:
        """`make`, of a deploy that is long over, and the first seconds of its watch."""
        ref = self.make(service, at=self.clock.now() - OLD, **changes)
        self.look_at_all()
        self.run(5)
        return ref

    def ref(self, service: str) -> str:
        release = self.store.active(service)
        if release is None:
            raise UsageError(service)
        return release.container

    def state(self, service: str) -> str:
        return self.reconciler.watches[service].state

    # -- time --

    def look_at_all(self) -> None:
        for service in self.reconciler.services():
            self.reconciler.look(service, self.clock.now())

    def lose_engine(self, away: float) -> None:
        """Its event stream ends and `away` seconds go by; it answers again when a test makes it reachable."""
        self.engine.reachable = False
        self.reconciler.engine.lost(self.clock.now(), "connection refused")
        self.clock.advance(away)

    def settle_one_by_one(self) -> None:
        """Events as they come when the engine is slow: each is decided upon before the next one is there."""
        while events := self.engine.take_events():
            for event in events:
                service = self.reconciler.event(event)
                if service is not None:
                    self.reconciler.look(service, self.clock.now())

    def settle(self) -> None:
        """Events, as the daemon takes them."""
        for _ in range(100):
            events = self.engine.take_events()
            if not events:
                return
            services = [self.reconciler.event(event) for event in events]
            for service in dict.fromkeys(name for name in services if name is not None):
                self.reconciler.look(service, self.clock.now())
        raise AssertionError("the engine's events do not end")

    def run(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let time go by, from one thing that is due to the next."""
        end = self.clock.now() + seconds
        while not until():
            self.every_step()
            self.settle()
            for service in self.reconciler.due(self.clock.now()):
                self.reconciler.look(service, self.clock.now())
            self._tell_verdicts()
            if self.clock.now() >= self._reconciled + RECONCILE:
                self._reconciled = self.clock.now()
                self.look_at_all()
            self.settle()
            if self.clock.now() >= end:
                return
            step = min(self._next(), end) - self.clock.now()
            self.clock.advance(max(step, 0.001))

    def _tell_verdicts(self) -> None:
        """As the probes do: once for each life, when enough answers agree."""
        for service, seen in self.reconciler.observer.seen.items():
            container = seen.facts.container
            if container is None or not container.running or container.started_at is None:
                continue
            life = life_of(container)
            if container.started_at + 1.0 <= self.clock.now() and self._told.get(service) != life:
                self._told[service] = life
                self.reconciler.look(service, self.clock.now())

    def _next(self) -> float:
        now = self.clock.now()
        due = [watch.wake for watch in self.reconciler.watches.values() if watch.wake is not None and watch.wake > now]
        fresh = [
            started + 1.0
            for seen in self.reconciler.observer.seen.values()
            if seen.facts.container is not None and (started := seen.facts.container.started_at) is not None
            if started + 1.0 > now
        ]
        timers = [timer[0] for timer in self.engine.life._timers[:1]]
        return min([*due, *fresh, *timers, self._reconciled + RECONCILE], default=now + RECONCILE)

    def lives(self, service: str) -> str:
        container = self.engine.inspect(self.ref(service))
        assert container is not None
        return life_of(container)
