"""The engine stops, dies, floods and falls silent; the daemon notices, waits, and puts right what is left to do."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.docker.engine import DockerEngine
from monitor.adapters.state.alerts import SqliteAlertStore
from tests.support.private_engine import PrivateEngine
from tests.support.relay import Relay
from tests.support.wait import wait_until
from tests.support.watched import Watched

SLEEP = ("/bin/sh", "-c", "sleep 3600 & wait")
SETTLED: dict[str, Any] = {
    "health": {"mode": "running", "settle": "200ms", "start": "5s"},
    "heal": {"rollback_window": "0s"},
}


@pytest.fixture
def watched(tmp_path: Path, project: str, docker_host: str) -> Iterator[Watched]:
    made = Watched(tmp_path, project, docker_host)
    yield made
    made.close()


@pytest.mark.private_engine
def test_engine_stopped_and_started_while_containers_die(tmp_path: Path, private_engine: PrivateEngine) -> None:
    from tools import images  # needs the Docker library

    image = images.busybox(private_engine.client)
    watched = Watched(tmp_path, "faults", private_engine.url)
    try:
        watched.run("kept", image, command=SLEEP, **SETTLED)
        watched.run("bare", image, command=SLEEP, restart="no", **SETTLED)
        watched.run("held", image, command=SLEEP, restart="no", **SETTLED)
        watched.watch(reconcile=2.0)
        for name in ("kept", "bare", "held"):
            watched.wait_state(name, "healthy")
        private_engine.client.containers.get(watched.container("held").id).stop(timeout=0)  # type: ignore[union-attr]
        watched.wait_state("held", "stopped")
        private_engine.stop()
        wait_until(lambda: ("engine-down", "") in watched.alerts.open, what="an alert about the engine", timeout=90)
        private_engine.start()
        wait_until(lambda: ("engine-down", "") not in watched.alerts.open, what="it is over", timeout=90)
        for name in ("kept", "bare"):
            wait_until(partial(_runs, watched, name), what=f"{name} runs", timeout=90)
            watched.wait_state(name, "healthy", timeout=90)
        wait_until(lambda: watched.alerts.open == {}, what="all is over", timeout=90)
        private_engine.kill()
        private_engine.start()
        for name in ("kept", "bare"):
            wait_until(partial(_runs, watched, name), what=f"{name} runs", timeout=90)
            watched.wait_state(name, "healthy", timeout=90)
    finally:
        watched.close()
        for container in private_engine.client.containers.list(all=True):
            container.remove(force=True)


def _runs(watched: Watched, service: str) -> bool:
    container = watched.container(service)
    return container is not None and container.running


@pytest.mark.engine
def test_three_hundred_events_in_a_second_hide_no_crash(watched: Watched, busybox_image: str) -> None:
    watched.run("core", busybox_image, command=SLEEP, restart="no", **SETTLED)
    noisy = watched.run("noisy", busybox_image, command=("/bin/sh", "-c", "trap : HUP; while :; do sleep 1; done"))
    watched.watch(reconcile=60.0)
    watched.wait_state("core", "healthy")
    before = time.time()
    for number in range(300):
        watched.engine.kill(noisy.id, "SIGHUP")
        if number == 150:
            watched.kill_process("core")
    wait_until(lambda: _restarted(watched, "core", before), what="it runs again")
    watched.wait_state("core", "healthy")
    assert watched.alerts.kinds("fired", "core") == ["exited"]
    assert watched.state("noisy") == "starting" or watched.state("noisy") == "healthy"


def _restarted(watched: Watched, service: str, since: float) -> bool:
    container = watched.container(service)
    return container is not None and container.running and (container.started_at or 0.0) > since


@pytest.mark.engine
def test_a_stream_that_is_cut_is_resumed_where_it_broke(
    watched: Watched, busybox_image: str, tmp_path: Path, docker_host: str
) -> None:
    relay = Relay(tmp_path, docker_host)
    events = DockerEngine(relay.url, timeout=10.0)
    watched.run("core", busybox_image, command=SLEEP, restart="no", **SETTLED)
    watched.watch(events=events, reconcile=60.0)
    watched.wait_state("core", "healthy")
    before = time.time()
    relay.cut()
    watched.kill_process("core")
    wait_until(lambda: _restarted(watched, "core", before), what="it runs again")
    watched.wait_state("core", "healthy")
    assert watched.alerts.kinds("fired") == ["exited"]
    watched.stop()
    events.close()
    relay.close()


@pytest.mark.engine
def test_a_stream_that_fell_silent_is_made_anew(
    watched: Watched, busybox_image: str, tmp_path: Path, docker_host: str
) -> None:
    relay = Relay(tmp_path, docker_host)
    events = DockerEngine(relay.url, timeout=10.0)
    watched.run("core", busybox_image, command=SLEEP, restart="no", heal={"enabled": False}, health=SETTLED["health"])
    daemon = watched.watch(events=events, reconcile=0.5)
    watched.wait_state("core", "healthy")
    old = daemon.pump.connects
    relay.silence()
    watched.kill_process("core")
    watched.wait_state("core", "unhealthy")  # the reconcile loop needs no event
    wait_until(lambda: daemon.pump.connects > old, what="a new connection")
    watched.engine.start(watched.store.active("core").container)  # type: ignore[union-attr]
    watched.wait_state("core", "healthy")
    watched.stop()
    events.close()
    relay.close()


@pytest.mark.engine
def test_a_killed_daemon_leaves_nothing_undone_or_doubled(watched: Watched, busybox_image: str, tmp_path: Path) -> None:
    """SIGKILL right after the crash, again and again: whoever comes next finishes, and nobody is told twice."""
    script = ["-m", "tests.support.watch_process", str(tmp_path), watched.project, watched.url]
    pauses = {"a": 0.0, "b": 0.1, "c": 0.4}
    for name, pause in pauses.items():
        watched.run(name, busybox_image, command=SLEEP, restart="no", **SETTLED)
        with _daemon(script) as process:
            wait_until(partial(_healthy, watched, name), what="healthy")
            before = time.time()
            watched.kill_process(name)
            time.sleep(pause)  # where it is cut off is the point
            process.send_signal(signal.SIGKILL)
            process.wait()
        with _daemon(script) as process:
            wait_until(partial(_restarted, watched, name, before), what="it runs again")
            wait_until(partial(_healthy, watched, name), what="healthy")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    incidents = watched.memory.incidents()
    assert sorted(incident.service for incident in incidents) == list(pauses)
    assert all(incident.ended_at is not None for incident in incidents)
    assert SqliteAlertStore(watched.database).book().alerts == {}


@contextlib.contextmanager
def _daemon(script: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, *script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _healthy(watched: Watched, name: str) -> bool:
    return _state(watched, name) == "healthy"


def _state(watched: Watched, service: str) -> str:
    watch = watched.memory.watches().get(service)
    return watch.state if watch is not None else ""
