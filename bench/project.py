"""A bgmon project to measure: a folder with a bgmon.yml, the command line, and a clean end."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import docker.errors
import yaml
from docker.models.containers import Container

from monitor.domain.names import LABEL_PROJECT
from tools import engine, images
from tools.net import free_port

BGMON = Path(sys.executable).with_name("bgmon")


class Project:
    def __init__(
        self,
        client: docker.DockerClient,
        services: Mapping[str, Mapping[str, Any]],
        proxy: Mapping[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.name = f"bench-{uuid.uuid4().hex[:6]}"
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        config = {
            "project": self.name,
            "state": {"dir": str(self.folder / "state")},
            "proxy": {
                "image": images.haproxy(client),
                "listen": [f"127.0.0.1:{self.port}"],
                "ports": "24000-27999",
                **(proxy or {}),
            },
            "services": {name: dict(service) for name, service in services.items()},
            "watch": {"listen": f"127.0.0.1:{free_port()}"},
        }
        (self.folder / "bgmon.yml").write_text(yaml.safe_dump(config, sort_keys=False))

    def bgmon(self, *arguments: str) -> None:
        """Run a command. Raises RuntimeError with what it said when it fails."""
        done = subprocess.run([BGMON, *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"bgmon {' '.join(arguments)} exited with {done.returncode}: {done.stderr}{done.stdout}")

    def events(self, *arguments: str) -> Iterator[dict[str, Any]]:
        """The events of a command with --json, as they come. Raises RuntimeError when it fails."""
        with subprocess.Popen(
            [BGMON, *arguments, "--json"], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                yield json.loads(line)
            said = process.stderr.read()
        if process.returncode:
            raise RuntimeError(f"bgmon {' '.join(arguments)} exited with {process.returncode}: {said}")

    def timed(self, *arguments: str) -> float:
        """Seconds a command takes, its own start included."""
        began = time.perf_counter()
        self.bgmon(*arguments)
        return time.perf_counter() - began

    def container(self, image: str, **options: Any) -> tuple[Container, int]:
        """A container of the project's that bgmon does not know, and its published port."""
        port = free_port()
        made = self.client.containers.run(
            image,
            detach=True,
            init=True,
            name=f"{self.name}-own-{uuid.uuid4().hex[:6]}",
            labels={LABEL_PROJECT: self.name},
            ports={"3000/tcp": ("127.0.0.1", port)},
            **options,
        )
        return made, port

    def close(self) -> None:
        for container in self.client.containers.list(all=True, filters={"label": f"{LABEL_PROJECT}={self.name}"}):
            with contextlib.suppress(docker.errors.NotFound):
                container.remove(force=True, v=True)
        for network in self.client.networks.list(filters={"label": f"{LABEL_PROJECT}={self.name}"}):
            with contextlib.suppress(docker.errors.APIError):
                network.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def project(services: Mapping[str, Mapping[str, Any]], proxy: Mapping[str, Any] | None = None) -> Iterator[Project]:
    """A project with its proxy up. Raises RuntimeError when no engine answers."""
    url = engine.find()
    if url is None:
        raise RuntimeError("no Docker engine answers: run `make bench`, which brings one")
    client = docker.DockerClient(base_url=url)
    made = Project(client, services, proxy)
    try:
        for tag in ("v1", "v2"):
            images.shop(client, tag)
        made.bgmon("proxy", "boot")
        yield made
    finally:
        subprocess.run([BGMON, "proxy", "remove", "--yes"], cwd=made.folder, capture_output=True, check=False)
        made.close()
        client.close()


def shop(**more: Any) -> dict[str, Any]:
    """A service on the sample image, quiet and without a bake."""
    service = {
        "image": f"{images.SHOP_REPOSITORY}:v1",
        "port": 3000,
        "route": {"path": "/"},
        "health": {"path": "/health"},
        "env": {"LOG_FORMAT": "none"},
        "deploy": {"bake": 0, "drain": "10s", "stop": "5s"},
    }
    return service | more
