"""Services that are recorded as deployed, and a daemon that watches them: everything real but the proxy and the chat."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from monitor.adapters.docker.engine import DockerEngine
from monitor.adapters.docker.own import RecordedContainers
from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.locks import FileLocks
from monitor.adapters.host.scheduler import ApScheduler
from monitor.adapters.host.secrets import FileSecrets
from monitor.adapters.http.prober import HttpProber
from monitor.adapters.state.containers import SqliteContainers
from monitor.adapters.state.db import Database
from monitor.adapters.state.deploys import SqliteDeployStore
from monitor.adapters.state.totals import SqliteTotals
from monitor.adapters.state.watch import SqliteWatchStore
from monitor.config.compile import service_spec
from monitor.config.service import ServiceSection
from monitor.domain.containers import Container, ContainerSpec
from monitor.domain.deploy.records import DeployRecord, Release
from monitor.errors import UsageError
from monitor.services.watchdog.daemon import Daemon
from monitor.services.watchdog.daemon_deps import DaemonDeps
from monitor.services.watchdog.deps import WatchDeps, WatchSettings
from monitor.testing.alerts import FakeAlerts
from tests.support.secretless import no_values
from tests.support.wait import wait_until


class NoManager:
    def ready(self) -> None: ...
    def alive(self, status: str) -> None: ...
    def reloading(self) -> None: ...
    def stopping(self) -> None: ...


class Runner:
    """A Deployer that knows how to run a container again, and nothing of a proxy."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self.rollbacks: list[tuple[str, str]] = []
        self.recreated: list[str] = []

    def recreate(self, service: str) -> None:
        self.recreated.append(service)
        self._watched.recreate(service)

    def rollback(self, service: str, reason: str, bad: str) -> str:
        del bad
        self.rollbacks.append((service, reason))
        raise UsageError("there is nothing to go back to")

    def recover(self) -> list[str]:
        return []

    def reroute(self) -> list[str]:
        return []


class Watched:
    """One project on one engine. Containers are made by `run`, the daemon is started by `watch`."""

    def __init__(self, folder: Path, project: str, url: str) -> None:
        self.folder = folder
        self.project = project
        self.url = url
        self.engine = DockerEngine(url, timeout=10.0)
        self.database = Database(folder / "state.db")
        self.own = RecordedContainers(lambda: self.engine, SqliteContainers(self.database), project, folder / "proxy")
        self.store = SqliteDeployStore(self.database)
        self.memory = SqliteWatchStore(self.database)
        self.totals = SqliteTotals(self.database)
        self.locks = FileLocks(folder / "locks")
        self.alerts = FakeAlerts()
        self.deployer = Runner(self)
        self.specs: dict[str, ContainerSpec] = {}
        self.settings = WatchSettings()
        self.extra: dict[str, Any] = {}  # options of the next containers, by the docker SDK's names
        self.daemon: Daemon | None = None
        self._thread: threading.Thread | None = None

    # -- services --

    def run(
        self,
        service: str,
        image: str,
        *,
        command: tuple[str, ...] = (),
        port: int | None = None,
        restart: str = "unless-stopped",
        env: Mapping[str, str] | None = None,
        memory: int | None = None,
        inner: int = 3000,
        **section: Any,
    ) -> Container:
        """Start a container and record it as the service's active release; `section` is as in bgmon.yml."""
        given = {"image": image, **section}
        if port is not None:
            given["port"] = inner
        spec = service_spec(service, ServiceSection.model_validate(yaml.safe_load(yaml.safe_dump(given))))
        now = time.time()
        deploy = f"{service}-{now * 1000:.0f}"
        labels = {
            "bgmon.project": self.project,
            "bgmon.service": service,
            "bgmon.color": "blue",
            "bgmon.version": "v1",
            "bgmon.deploy": deploy,
        }
        wanted = ContainerSpec(
            name=f"{self.project}-{service}-blue",
            image=image,
            labels=labels,
            env=env or {},
            command=command,
            publish={} if port is None else {inner: ("127.0.0.1", port)},
            restart=restart,
            memory=memory,
            extra=self.extra,
        )
        self.specs[service] = wanted
        container = self.engine.create(wanted)
        self.engine.start(container.id)
        record = DeployRecord(deploy, service, "deploy", image, "v1", "test", now)
        release = Release(
            deploy, service, "blue", "v1", image, image, container.image_id, port, container.id, spec, now
        )
        self.store.begin(record)
        self.store.finish(deploy, "deployed", at=now, release=release)
        return container

    def recreate(self, service: str) -> None:
        release = self.store.active(service)
        assert release is not None
        self.engine.remove(release.container)
        container = self.engine.create(self.specs[service])
        self.engine.start(container.id)
        record = f"{service}-again-{time.time_ns()}"
        self.store.begin(DeployRecord(record, service, "recreate", release.image, "v1", "test", time.time()))
        self.store.finish(record, "deployed", at=time.time(), release=replace(release, container=container.id))

    def container(self, service: str) -> Container | None:
        release = self.store.active(service)
        assert release is not None
        return self.engine.inspect(release.container)

    def kill_process(self, service: str, number: int = signal.SIGKILL) -> None:
        """End the process as the kernel would: no engine call, so nobody's wish."""
        container = self.container(service)
        assert container is not None
        assert container.pid
        os.kill(container.pid, number)

    # -- the daemon --

    def deps(self, *, alerting: Any = None, **changes: Any) -> DaemonDeps:
        """`alerting` puts the application's own alerts in the place of those that only remember."""
        watch = WatchDeps(
            project=self.project,
            engine=self.engine,
            own=self.own,
            store=self.store,
            memory=self.memory,
            locks=self.locks,
            secrets=FileSecrets(self.folder / "secrets-in", self.folder / "secrets", {}),
            deployer=self.deployer,
            alerts=alerting.manager if alerting is not None else self.alerts,
            totals=self.totals,
            clock=SystemClock(),
        )

        async def fine() -> str:
            return ""

        given: dict[str, Any] = {
            "watch": watch,
            "settings": self.settings,
            "events": self.engine,
            "make_prober": lambda: HttpProber(no_values),
            "selfcheck": fine,
            "alerting": alerting or self.alerts,
            "scheduler": ApScheduler(),
            "manager": NoManager(),
            "reload": lambda: self.settings,
            "stamp": lambda: None,
            "reconcile": 5.0,
        }
        return DaemonDeps(**{**given, **changes})

    def watch(self, **changes: Any) -> Daemon:
        """Start a daemon in a thread, and return once it has looked at everything."""
        ready = threading.Event()
        daemon = Daemon(self.deps(on_ready=ready.set, **changes))
        self.daemon = daemon
        self._thread = threading.Thread(target=lambda: asyncio.run(daemon.run(signals=False)), name="daemon")
        self._thread.start()
        assert ready.wait(20)
        wait_until(
            lambda: all(name in daemon.reconciler.watches for name in self.store.services()), what="the first look"
        )
        return daemon

    def stop(self) -> None:
        if self.daemon is not None and self._thread is not None:
            self.daemon.stop()
            self._thread.join(40)
            assert not self._thread.is_alive(), "the daemon did not stop"
        self.daemon = None

    def close(self) -> None:
        self.stop()
        with contextlib.suppress(Exception):
            self.engine.close()
        self.database.close()

    def state(self, service: str) -> str:
        assert self.daemon is not None
        watch = self.daemon.reconciler.watches.get(service)
        return watch.state if watch is not None else ""

    def wait_state(self, service: str, *states: str, timeout: float = 30.0) -> str:
        return wait_until(
            lambda: self.state(service) if self.state(service) in states else "",
            timeout=timeout,
            what=f"{service} is {' or '.join(states)}",
        )

    def wait_for(self, look: Callable[[], Any], what: str = "", timeout: float = 30.0) -> Any:
        return wait_until(look, timeout=timeout, what=what)
