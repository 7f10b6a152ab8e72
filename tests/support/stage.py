"""A whole small installation for tests of deploys: bgmon.yml, a real HAProxy as a process, the sample service, load."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from monitor.bootstrap import App, build
from monitor.domain.deploy.records import Release
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployDeps, DeployEvent, DeployRequest
from tests.support.wait import wait_until

REPOSITORY = "bgmon-example/shop"


@dataclass
class Stage:
    """`events` collects what deploys told."""

    folder: Path
    project: str
    port: int
    config: dict[str, Any]
    events: list[DeployEvent] = field(default_factory=list)
    apps: list[App] = field(default_factory=list)

    def write(self) -> None:
        (self.folder / "bgmon.yml").write_text(yaml.safe_dump(self.config))

    def service(self, **changes: Any) -> dict[str, Any]:
        """Change keys of core's section; `deploy__bake=...` reaches into a section."""
        core: dict[str, Any] = self.config["services"]["core"]
        for key, value in changes.items():
            section, _, inner = key.partition("__")
            if inner:
                core.setdefault(section, {})[inner] = value
            else:
                core[section] = value
        self.write()
        return core

    def take_port(self) -> None:
        """core is to be reached no more; one that only runs is healthy."""
        core = self.service(health={"settle": "100ms"})
        for key in ("port", "route", "internal"):
            core.pop(key, None)
        self.write()

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "BGMON_STATE_DIR": str(self.folder / "state")}

    def app(self) -> App:
        self.apps.append(build(str(self.folder / "bgmon.yml")))
        return self.apps[-1]

    def close(self) -> None:
        """Let go of every engine and state file that `app` opened."""
        for app in self.apps:
            app.close()

    def deps(self, app: App | None = None) -> DeployDeps:
        return (app or self.app()).deps(self.events.append)

    def deploy(self, tag: str, service: str = "core", *, image: str | None = None, **order: Any) -> Release:
        app = self.app()
        spec = app.specs[service]
        reference = image or f"{REPOSITORY}:{tag}"
        return deploy(self.deps(app), DeployRequest(spec=spec, image=reference, version=tag, **order))

    def run(self, *arguments: str, check: bool = False, **environ: str) -> subprocess.CompletedProcess[str]:
        """The command itself, as people and scripts run it."""
        return subprocess.run(
            [sys.executable, "-m", "monitor", *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

    def answer(
        self, path: str = "/version", *, method: str = "GET", port: int | None = None, **headers: str
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def version(self) -> str:
        """The version that answers through the proxy."""
        status, body = self.answer()
        assert status == 200, (status, body)
        found = body.strip()
        return str(json.loads(found)["version"]) if found.startswith("{") else found

    def containers(self) -> dict[str, str]:
        """Name -> version of every service container of this project, running or not."""
        found = self.app().engine.containers({"bgmon.project": self.project, "bgmon.kind": "app"})
        return {container.name: container.version for container in found}

    @contextlib.contextmanager
    def load(self, clients: int = 4, path: str = "/") -> Iterator[Load]:
        """Steady traffic by keep-alive clients while the block runs."""
        running = Load(self.port, path)
        threads = [threading.Thread(target=running.client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: running.requests > 0 or running.failures, what="the first request")
            yield running
        finally:
            running.stop.set()
            for thread in threads:
                thread.join()


class Load:
    """`failures` holds every request that was not answered with 200, in words."""

    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.path = path
        self.requests = 0
        self.failures: list[str] = []
        self.stop = threading.Event()
        self._lock = threading.Lock()

    def client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        while not self.stop.wait(0.004):
            try:
                connection.request("GET", self.path)
                response = connection.getresponse()
                response.read()
                failure = "" if response.status == 200 else f"status {response.status}"
            except (OSError, http.client.HTTPException) as error:
                failure = f"{type(error).__name__}: {error}"
                connection.close()
            with self._lock:
                self.requests += 1
                if failure:
                    self.failures.append(failure)
        connection.close()


def make_stage(folder: Path, project: str, free_port: Callable[[], int], *, low: int) -> Stage:
    port = free_port()
    config = {
        "project": project,
        "state": {"dir": "state"},
        "proxy": {"run": "process", "listen": [f"127.0.0.1:{port}"], "ports": f"{low}-{low + 200}"},
        "services": {
            "core": {
                "image": REPOSITORY,
                "port": 3000,
                "route": {"path": "/"},
                "health": {"path": "/health", "start": "15s", "timeout": "2s", "interval": "200ms"},
                "limits": {"memory": "96m"},
                "deploy": {"bake": "500ms", "drain": "5s", "stop": "2s", "keep_images": 2},
            }
        },
    }
    stage = Stage(folder, project, port, config)
    stage.write()
    return stage
