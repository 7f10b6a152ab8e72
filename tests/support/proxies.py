"""Real HAProxies for tests, as a process and as a container."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker

from monitor.adapters.certificates.store import FileCertificates
from monitor.adapters.docker.engine import DockerEngine
from monitor.adapters.docker.own import RecordedContainers
from monitor.adapters.haproxy.make import make_proxy, settings_of
from monitor.adapters.state.containers import SqliteContainers
from monitor.adapters.state.db import Database
from monitor.config.proxy import ProxySection
from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.names import Color
from monitor.domain.proxy.peering import Peering
from monitor.domain.proxy.routes import ServiceRoute, Slot
from monitor.domain.proxy.settings import ProxySettings


class ProxyWorld:
    """A proxy with its folder and ports; `run` is "process" or "container"."""

    def __init__(self, run: str, folder: Path, project: str, image: str, free_port: Callable[[], int]) -> None:
        self.run, self.folder, self.project, self.image = run, folder, project, image
        self.port = free_port()
        self.section: dict[str, Any] = {"run": run, "image": image or "none", "listen": (f"127.0.0.1:{self.port}",)}
        self.peers: Peering | None = None
        self.certificates = FileCertificates(folder / "certificates", folder)
        self._engines: list[DockerEngine] = []
        self.database = Database(folder / "state.db")
        record = SqliteContainers(self.database)
        self.own = RecordedContainers(self._engine, record, project, folder / "proxy")
        self.driver = self.make()

    def close(self) -> None:
        """Remove the proxy, and let go of the engine."""
        self.driver.remove()
        self.database.close()
        for engine in self._engines:
            engine.close()

    def _engine(self) -> DockerEngine:
        self._engines.append(DockerEngine())
        return self._engines[-1]

    def make(self, **changes: Any) -> Any:
        """A driver of its own on the same proxy; `changes` are made to the configuration for good."""
        self.section.update(changes)
        self.driver = make_proxy(
            ProxySection.model_validate(self.section),
            project=self.project,
            folder=self.folder / "proxy",
            base=self.folder,
            issued=self.certificates,
            engine=self._engine,
            own=self.own,
            peers=self.peers,
        )
        return self.driver

    @property
    def settings(self) -> ProxySettings:
        return settings_of(ProxySection.model_validate(self.section))

    def get(
        self, path: str = "/", *, host: str = "x.test", method: str = "GET", port: int | None = None, **headers: str
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            connection.request(method, path, headers={"Host": host, **headers})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def log_text(self) -> bytes:
        if self.run == "process":
            return (self.folder / "proxy" / "access.log").read_bytes()
        client = docker.from_env()
        try:
            output: bytes = client.containers.get(f"{self.project}-proxy").logs(stdout=True, stderr=False)
            return output
        finally:
            client.close()

    def log(self) -> list[dict[str, Any]]:
        """Every line of the access log. Raises when one is no JSON."""
        return [json.loads(line) for line in self.log_text().splitlines()]


def route(
    service: str = "core",
    *public: RouteSpec,
    blue: Slot | None = None,
    green: Slot | None = None,
    internal: str | None = None,
    maintenance: bool = False,
) -> ServiceRoute:
    slots: dict[Color, Slot] = {}
    if blue is not None:
        slots["blue"] = blue
    if green is not None:
        slots["green"] = green
    return ServiceRoute(
        service=service,
        public=public or (RouteSpec(),),
        internal=internal,
        slots=slots,
        maintenance=maintenance,
    )
