"""Deploys on fakes: one project on one host, whose every call to the outside can be made to fail, or to be the last."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

from monitor.adapters.docker.own import RecordedContainers
from monitor.adapters.host.locks import FileLocks
from monitor.adapters.host.secrets import FileSecrets
from monitor.adapters.state.containers import SqliteContainers
from monitor.adapters.state.db import Database
from monitor.adapters.state.deploys import SqliteDeployStore
from monitor.adapters.state.tasks import SqliteTasks
from monitor.config.compile import service_spec
from monitor.config.service import ServiceSection
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.health.probing import ProbeAnswer
from monitor.domain.proxy.reach import LOOPBACK
from monitor.domain.proxy.routes import ServiceRoute
from monitor.errors import BgmonError
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployDeps, DeployEvent, DeployRequest
from monitor.services.deploy.locked import changing
from monitor.services.deploy.routing import routes_of
from monitor.testing.clock import FakeClock
from monitor.testing.deploys import FakeHooks, FakeHost, FakeProber
from monitor.testing.engine import FakeEngine
from monitor.testing.proxy import FakeProxy

PROJECT = "shop"
IMAGE = "reg.example/core"
PORT = 3000
PORTS = ("engine", "proxy", "store", "tasks", "own", "secrets", "hooks", "host", "prober")
Moment = Literal["before", "after"]


class Killed(BaseException):
    """The process is gone: whatever it calls from now on does not happen."""


class Tap:
    """Counts the calls to each port of one process, and ends one of them by an error or by the process' death."""

    def __init__(
        self, at: tuple[str, int] | None = None, *, error: BgmonError | None = None, moment: Moment = "before"
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.at, self.error, self.moment = at, error, moment
        self.reached = False
        self._dead = False
        self._lock = threading.Lock()

    def around(self, port: str, target: object) -> Any:
        return _Tapped(self, port, target)

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        with self._lock:
            if self._dead:
                raise Killed
            self.calls[name] += 1
            hit = self.at == (name, self.calls[name])
            if hit:
                self.reached = True
                self._dead = self.error is None
                if self.moment == "before" or self.error is not None:
                    raise self.error or Killed
        result = work()
        if hit or self._dead:
            raise Killed
        return result


class _Tapped:
    def __init__(self, tap: Tap, port: str, target: object) -> None:
        self._tap, self._port, self._target = tap, port, target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._tap.call(f"{self._port}.{name}", lambda: found(*args, **kwargs))


class World:
    """A host with one service, `core`, of which v1, v2 and v3 can be pulled.

    Attributes:
        sick: versions whose health answers 503.
        events: what deploys told.
        section: core's section of bgmon.yml.
    """

    def __init__(self, folder: Path, **section: Any) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.engine = FakeEngine(self.clock.now)
        self.proxy = FakeProxy()
        self.host, self.hooks, self.prober = FakeHost(), FakeHooks(), FakeProber()
        shutil.copy(_empty_state(), folder / "state.db")
        self.database = Database(folder / "state.db")
        self.store = SqliteDeployStore(self.database)
        self.tasks = SqliteTasks(self.database)
        self.record = SqliteContainers(self.database)
        self.own = RecordedContainers(
            lambda: cast("Any", self.engine), self.record, PROJECT, folder / "proxy", now=self.clock.now
        )
        self.environ: dict[str, str] = {"TOKEN": "t0p-s3cret"}
        self.secrets = FileSecrets(folder / "in", folder / "kept", self.environ)
        self.locks = FileLocks(folder / "locks")
        self.sick: set[str] = set()
        self.events: list[DeployEvent] = []
        self.section: dict[str, Any] = {
            "image": IMAGE,
            "port": PORT,
            "secrets": ["TOKEN"],
            "health": {"path": "/health", "start": "2s", "interval": "200ms"},
            "deploy": {"bake": "0s", "drain": "1s", "stop": "1s", "keep_images": 1},
            **section,
        }
        for version in ("v1", "v2", "v3"):
            self.engine.push(f"{IMAGE}:{version}")
        self.prober.answer = self._answer

    def _answer(self, address: str, port: int) -> ProbeAnswer:
        for container in self.engine.containers({"bgmon.service": ""}):
            published = address == LOOPBACK and port in [given for _, given in self.published(container.id)]
            if container.running and (published or (address in container.addresses.values() and port == PORT)):
                bad = container.version in self.sick
                return ProbeAnswer(503 if bad else 200, body="t0p-s3cret is wrong" if bad else "ok")
        return ProbeAnswer(0, error="connection refused")

    def published(self, ref: str) -> list[tuple[int, int]]:
        return [(inner, outer) for inner, (_, outer) in self.engine.specs[ref].publish.items()]

    def close(self) -> None:
        self.database.close()

    def spec(self, name: str = "core") -> ServiceSpec:
        return service_spec(name, ServiceSection.model_validate(self.section))

    def routes(self) -> list[ServiceRoute]:
        return routes_of([self.spec()], self.store)

    def deps(self, tap: Tap | None = None, **changes: Any) -> DeployDeps:
        tap = tap or Tap()
        own = RecordedContainers(
            lambda: tap.around("engine", self.engine), self.record, PROJECT, self.folder / "proxy", now=self.clock.now
        )
        made = DeployDeps(
            project=PROJECT,
            engine=tap.around("engine", self.engine),
            own=tap.around("own", own),
            proxy=tap.around("proxy", self.proxy),
            store=tap.around("store", self.store),
            locks=self.locks,
            tasks=tap.around("tasks", self.tasks),
            secrets=tap.around("secrets", self.secrets),
            hooks=tap.around("hooks", self.hooks),
            host=tap.around("host", self.host),
            prober=tap.around("prober", self.prober),
            clock=self.clock,
            port_range=(20000, 20099),
            routes=self.routes,
            who="ann",
            emit=self.events.append,
        )
        return replace(made, **changes)

    def deploy(self, version: str, tap: Tap | None = None, *, service: str = "core", **changes: Any) -> Release:
        self.clock.advance(1)  # a deploy is known by its millisecond
        request = DeployRequest(spec=self.spec(service), image=f"{IMAGE}:{version}", version=version, **changes)
        return deploy(self.deps(tap), request)

    def recover(self, service: str = "core", tap: Tap | None = None) -> list[str]:
        """As any later command does: what was cut off is settled."""
        with changing(self.deps(tap), service, "a look") as lines:
            return lines

    def active(self, service: str = "core") -> Release:
        release = self.store.active(service)
        assert release is not None
        return release

    def told(self, event: str) -> list[str]:
        return [one.text for one in self.events if one.event == event]

    def assert_settled(self, *versions: str) -> Release:
        """One of `versions` serves, the record, the engine and the proxy agree, and nothing is left over."""
        assert self.store.unfinished() == []
        active = self.active()
        assert active.version in versions
        ours = self.engine.containers({"bgmon.project": PROJECT})
        assert [container.id for container in ours] == [active.container]
        (container,) = ours
        assert container.running
        assert container.restart_policy == "unless-stopped"
        assert [made.id for made in self.own.made(service="core")] == [active.container]
        slot = self.store.slots("core")[active.color]
        assert (slot.state, slot.address, slot.port) == ("ready", active.address, active.port)
        assert [one.state for color, one in self.store.slots("core").items() if color != active.color] in (
            [], ["maint"], ["drain"],
        )  # fmt: skip
        if self.proxy.running:
            assert self.proxy.target("core") == active.color
            live = self.proxy.slots("core")[active.color]
            assert (live.address, live.port) == (active.address, active.port)
        assert {color: one.port for color, one in self.proxy.saved[0].slots.items() if one.state == "ready"} == {
            active.color: active.port
        }
        kept = {path.name for path in (self.folder / "kept").glob("*")} if (self.folder / "kept").is_dir() else set()
        known = {release.deploy for release in self.store.releases("core")}
        assert len(kept) == len(known), (kept, known)
        return active


def _folder() -> tempfile.TemporaryDirectory[str]:
    """On a file system in memory where there is one: each commit would wait for the disk."""
    shared = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)


@functools.cache
def _empty_state() -> Path:
    """A state file with all migrations behind it; they take half of a world's time."""
    folder = _folder()
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "state.db"
    Database(path).close()
    return path


@contextmanager
def world(**section: Any) -> Iterator[World]:
    with _folder() as folder:
        made = World(Path(folder), **section)
        try:
            yield made
        finally:
            made.close()
