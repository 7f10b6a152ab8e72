"""Three machines with an sshd, an engine and the images each, and somebody who deploys to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from tests.support.hammer import Hammer
from tools.fleet import Fleet

PORT = 8080
PROGRAM = Path(sys.executable).with_name("bgmon")


@pytest.fixture(scope="session")
def machines(
    docker_client: docker.DockerClient, shop_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    del shop_image
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    archive = fleet.folder / "images.tar"
    with archive.open("wb") as file:
        for piece in docker_client.api.get_image("bgmon-example/shop"):  # with all its tags
            file.write(piece)
    try:
        fleet.up()
        loading = [machine.spawn("docker", "load", "-q", "-i", str(archive)) for machine in fleet.machines]
        assert [process.wait(120) for process in loading] == [0] * len(loading)
        archive.unlink()
        yield fleet
    finally:
        fleet.down()


@dataclass
class Caller:
    """Somebody with a bgmon.yml and a key, who is no host himself."""

    fleet: Fleet
    folder: Path
    config: dict[str, Any]

    def write(self) -> None:
        (self.folder / "bgmon.yml").write_text(yaml.safe_dump(self.config))

    def service(self, **changes: Any) -> None:
        """Change keys of core's section; `deploy__hosts=...` reaches into a section."""
        core = self.config["services"]["core"]
        for key, value in changes.items():
            section, _, inner = key.partition("__")
            if inner:
                core[section][inner] = value
            else:
                core[key] = value
        self.write()

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BGMON_", "DOCKER_"))}
        return {
            **kept,
            "BGMON_STATE_DIR": str(self.folder / "state"),
            "DOCKER_HOST": "unix:///nowhere",
            "BGMON_WHO": "ann",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "monitor", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=150)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def ask(self, *arguments: str) -> Any:
        """The JSON document that a command prints."""
        done = self.run(arguments[0], "--json", *arguments[1:])
        return json.loads(done.stdout)

    def deploy(self, tag: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run("deploy", "core", "--tag", tag, *options)

    def versions(self) -> dict[str, str | None]:
        """What serves, by host, as `bgmon status` says."""
        rows = self.ask("status", "--hosts", "all")["services"]
        return {row["host"]: row["version"] for row in rows if row["name"] == "core"}

    def answer(self, host: str) -> str:
        """The version that answers there, through its proxy."""
        with urllib.request.urlopen(f"http://{self.fleet[host].address}:{PORT}/version", timeout=10) as response:
            return str(json.load(response)["version"])

    def load(self, host: str) -> Hammer:
        return Hammer(PORT, clients=3, pause=0.02, path="/version", host=self.fleet[host].address)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.fixture
def caller(machines: Fleet, tmp_path: Path) -> Iterator[Caller]:
    hosts = {
        machine.name: {
            "ssh": f"root@{machine.address}",
            "options": machines.ssh_options(),
            "program": str(PROGRAM),
        }
        for machine in machines.machines
    }
    core = {
        "image": "bgmon-example/shop",
        "hosts": list(hosts),
        "port": 3000,
        "route": {"path": "/"},
        "health": {"path": "/health", "start": "15s", "interval": "200ms"},
        "deploy": {"bake": "300ms", "drain": "5s", "stop": "2s"},
    }
    made = Caller(
        machines,
        tmp_path,
        {
            "project": f"f{uuid.uuid4().hex[:8]}",
            "hosts": hosts,
            "proxy": {"run": "process", "listen": [f"0.0.0.0:{PORT}"]},
            "services": {"core": core},
        },
    )
    made.write()
    yield made
    for machine in machines.machines:
        if machine.init is None:
            machine.start()
        machine.plug()
    for machine in machines.machines:
        machine.wait()
        machine.run("sh", "-c", "pkill haproxy; docker ps -aq | xargs -r docker rm -fv; rm -rf /var/lib/bgmon")
