"""SIGKILL to running again, bgmon beside Docker's own `restart: always`; death to chat; hang to "not healthy"."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import docker
import yaml

from bench.common import percentile, table, write_result
from monitor.adapters.docker.engine import DockerEngine
from monitor.bootstrap import App, build
from monitor.domain.containers import Container, ContainerSpec
from tests.support.chat import Chat
from tests.support.wait import wait_until
from tests.support.watched import Watched
from tools import engine as engines
from tools import images
from tools.net import free_port

ROUNDS = 15
HANGS = 6
INTERVAL, FAILURES = 1.0, 3
MAX_RATIO = 1.2
MAX_TOLD = 1.0
SLEEP = ("/bin/sh", "-c", "sleep 3600 & wait")
SETTLED: dict[str, Any] = {"health": {"mode": "running", "settle": "100ms"}, "heal": {"rollback_window": "0s"}}


class Starts:
    """When each container was started last, by the engine's own clock."""

    def __init__(self, url: str) -> None:
        self._engine = DockerEngine(url)
        self.at: dict[str, float] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for event in self._engine.events(since=None, labels={}):
            if event.action == "start":
                self.at[event.container_id] = event.at

    def close(self) -> None:
        self._engine.close()
        self._thread.join(5)


def killed_to_running(container: Container, pid: int, starts: Starts) -> float:
    """Seconds."""
    starts.at.pop(container.id, None)
    began = time.time()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: container.id in starts.at, every=0.01, what="it was started again")
    return starts.at[container.id] - began


def has_told(chat: Chat, before: int) -> bool:
    return len(chat.received) > before


def pid_of(watched: Watched, ref: str) -> int:
    found = watched.engine.inspect(ref)
    assert found is not None
    return found.pid


def restarts(watched: Watched, image: str, starts: Starts) -> tuple[list[float], list[float]]:
    """bgmon's and Docker's seconds, taken in turns, each on a container that was never killed before."""
    watching = [watched.run(f"ours{n}", image, command=SLEEP, restart="no", **SETTLED) for n in range(ROUNDS)]
    always = []
    for number in range(ROUNDS):
        spec = ContainerSpec(f"{watched.project}-always{number}", image, command=SLEEP, restart="always")
        always.append(watched.engine.create(spec))
        watched.engine.start(always[-1].id)
    for number in range(ROUNDS):
        watched.wait_state(f"ours{number}", "healthy")
    ours, theirs = [], []
    for one, other in zip(watching, always, strict=True):
        theirs.append(killed_to_running(other, pid_of(watched, other.id), starts))
        ours.append(killed_to_running(one, pid_of(watched, one.id), starts))
    return ours, theirs


def told(watched: Watched, image: str, chat: Chat) -> list[float]:
    """Seconds from a container's death to the request at the chat service."""
    found = []
    for number in range(ROUNDS):
        watched.run(f"told{number}", image, command=SLEEP, restart="no", **SETTLED)
        watched.wait_state(f"told{number}", "healthy")
        before = len(chat.received)
        died = time.time()
        watched.kill_process(f"told{number}")
        wait_until(partial(has_told, chat, before), every=0.01, what="the chat is told")
        found.append(chat.received[before].at - died)
        watched.wait_state(f"told{number}", "healthy")
        wait_until(partial(has_told, chat, before + 1), what="the chat is told that it is over")
    return found


def hangs(watched: Watched, image: str) -> list[float]:
    """Seconds from a hang to the verdict that the service is not healthy."""
    health = {"path": "/health", "interval": f"{INTERVAL:g}s", "timeout": "1s", "failures": FAILURES, "start": "10s"}
    ports = {}
    for number in range(HANGS):
        ports[f"hung{number}"] = port = free_port()
        watched.run(f"hung{number}", image, port=port, health=health, heal={"enabled": False})
    found = []
    for name, port in ports.items():
        watched.wait_state(name, "healthy")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/hang", timeout=5) as answer:
            answer.read()
        began = time.time()
        watched.wait_state(name, "unhealthy", timeout=30)
        assert watched.daemon is not None
        found.append(watched.daemon.reconciler.watches[name].since - began)
    return found


def application(folder: Path, project: str, chat: Chat) -> App:
    """For its alerts, as they are in production, not grouped."""
    config = {
        "project": project,
        "state": {"dir": str(folder / "state")},
        "services": {"core": {"image": "core"}},
        "notify": {"urls": [chat.url], "group": 0},
    }
    (folder / "bgmon.yml").write_text(yaml.safe_dump(config))
    return build(str(folder / "bgmon.yml"))


def main() -> list[str]:
    url = engines.find()
    assert url is not None
    client = docker.DockerClient(base_url=url, timeout=60)
    busybox, shop = images.busybox(client), images.shop(client, "v1")
    project = f"bench-{uuid.uuid4().hex[:6]}"
    chat = Chat()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = application(folder, project, chat)
        watched = Watched(folder, project, url)
        starts = Starts(url)
        try:
            watched.watch(alerting=app.alerting)
            ours, theirs = restarts(watched, busybox, starts)
            chat.received.clear()
            said = told(watched, busybox, chat)
            found = hangs(watched, shop)
        finally:
            starts.close()
            watched.close()
            app.close()
            chat.close()
            for container in client.containers.list(all=True, filters={"name": project}):
                container.remove(force=True)
            client.close()
    return report(ours, theirs, said, found)


def report(ours: list[float], theirs: list[float], said: list[float], found: list[float]) -> list[str]:
    def row(title: str, values: list[float]) -> list[object]:
        return [title, *(round(1000 * percentile(values, share), 1) for share in (0.5, 0.95, 1.0))]

    ratio = percentile(ours, 0.5) / percentile(theirs, 0.5)
    table(
        "milliseconds",
        ["", "median", "p95", "max"],
        [
            row("SIGKILL to running, bgmon", ours),
            row("SIGKILL to running, Docker's restart: always", theirs),
            row("death to chat", said),
            row("hang to not healthy", found),
        ],
    )
    write_result(
        "heal",
        {
            "restart_ms": {
                "bgmon": round(1000 * percentile(ours, 0.5), 1),
                "docker_always": round(1000 * percentile(theirs, 0.5), 1),
            },
            "ratio": round(ratio, 3),
            "rounds": ROUNDS,
            "death_to_chat_ms": {"median": round(1000 * percentile(said, 0.5), 1), "max": round(1000 * max(said), 1)},
            "hang_to_found_s": {
                "interval": INTERVAL,
                "failures": FAILURES,
                "median": round(percentile(found, 0.5), 2),
                "max": round(max(found), 2),
            },
        },
    )
    checks: list[tuple[bool, Callable[[], str]]] = [
        (ratio <= MAX_RATIO, lambda: f"bgmon restarts in {ratio:.2f} times what Docker takes, {MAX_RATIO} is allowed"),
        (max(said) < MAX_TOLD, lambda: f"the chat was told after {max(said):.2f} s"),
        (max(found) <= INTERVAL * FAILURES + 1, lambda: f"a hang was found after {max(found):.2f} s"),
    ]
    return [text() for good, text in checks if not good]


if __name__ == "__main__":
    print(main())
