"""Failures on a real engine, and what the daemon does about each."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.support.wait import wait_until
from tests.support.watched import Watched

pytestmark = pytest.mark.engine

SLEEP = ("/bin/sh", "-c", "sleep 3600 & wait")
SETTLED: dict[str, Any] = {
    "health": {"mode": "running", "settle": "200ms", "start": "5s"},
    "heal": {"rollback_window": "0s"},
}
PROBED: dict[str, Any] = {
    "health": {"path": "/health", "interval": "200ms", "timeout": "300ms", "failures": 2, "start": "10s"}
}


@pytest.fixture
def watched(tmp_path: Path, project: str, docker_host: str) -> Iterator[Watched]:
    made = Watched(tmp_path, project, docker_host)
    yield made
    made.close()


def ask(port: int, path: str) -> None:
    """Set a bad habit off; whether an answer comes is part of the habit."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).read()


def restarted(watched: Watched, service: str, since: float) -> bool:
    container = watched.container(service)
    return container is not None and container.running and (container.started_at or 0) > since


def test_killed_container_without_policy_is_started_at_once(watched: Watched, busybox_image: str) -> None:
    watched.run("core", busybox_image, command=SLEEP, restart="no", **SETTLED)
    watched.watch()
    watched.wait_state("core", "healthy")
    before = time.time()
    watched.kill_process("core")
    wait_until(lambda: restarted(watched, "core", before), what="it runs again")
    watched.wait_state("core", "healthy")
    assert watched.alerts.kinds("fired") == ["exited"]
    assert watched.alerts.kinds("resolved") == ["exited"]
    incident = watched.memory.incidents()[0]
    assert "killed by SIGKILL (exit code 137)" in incident.cause
    assert incident.ended_at is not None
    assert any(act.startswith("started in") for act in incident.acts)
    assert watched.totals.of("bgmon_container_exits_total") == {("core", "signal"): 1.0}


def test_what_docker_restarts_is_told_and_left_to_docker(watched: Watched, busybox_image: str) -> None:
    watched.run("core", busybox_image, command=SLEEP, **SETTLED)
    watched.watch()
    watched.wait_state("core", "healthy")
    before = time.time()
    watched.kill_process("core")
    wait_until(lambda: restarted(watched, "core", before), what="Docker restarted it")
    wait_until(lambda: watched.alerts.kinds("resolved") == ["exited"], what="it was told, and that it is over")
    assert watched.totals.of("bgmon_restarts_total") == {("core", "docker"): 1.0}


def test_hung_service_is_restarted_with_its_evidence_kept(
    watched: Watched, shop_image: str, free_port: Callable[[], int]
) -> None:
    port = free_port()
    watched.run("core", shop_image, port=port, deploy={"stop": "1s"}, heal={"rollback_window": "0s"}, **PROBED)
    watched.watch()
    watched.wait_state("core", "healthy")
    before = time.time()
    ask(port, "/hang")
    wait_until(lambda: restarted(watched, "core", before), what="it was restarted")
    watched.wait_state("core", "healthy")
    incident = watched.memory.incidents()[0]
    assert incident.kind == "unhealthy"
    assert "processes:" in incident.detail
    assert "app.py" in incident.detail
    assert watched.totals.of("bgmon_restarts_total") == {("core", "restart"): 1.0}


def test_out_of_memory_is_called_by_its_name(watched: Watched, shop_image: str, free_port: Callable[[], int]) -> None:
    port = free_port()
    health = {**PROBED["health"], "interval": "1s", "timeout": "5s"}  # its end is to come from the kernel, not from us
    watched.run("core", shop_image, port=port, memory=64 * 1024 * 1024, limits={"memory": "64m"}, health=health)
    watched.watch()
    watched.wait_state("core", "healthy")
    ask(port, "/oom?mb=500")
    wait_until(lambda: "oom" in watched.alerts.kinds("fired"), what="an alert about memory")
    watched.wait_state("core", "healthy")
    assert "out of memory: it hit its limit of 64 MiB" in watched.memory.incidents()[0].cause


def test_a_worker_killed_for_want_of_memory_is_told_though_its_container_lives(
    watched: Watched, busybox_image: str
) -> None:
    """Nothing but the kernel's own count tells of it: the container runs, and its health is good."""
    watched.run(
        "core",
        busybox_image,
        command=("sh", "-c", "until [ -e /greedy ]; do sleep 0.1; done; tail /dev/zero; exec sleep 600"),
        memory=16 * 1024 * 1024,
        limits={"memory": "16m"},
        **SETTLED,
    )
    watched.watch()
    watched.wait_state("core", "healthy")
    container = watched.container("core")
    assert container is not None
    watched.engine.exec(container.id, ("touch", "/greedy"))
    watched.wait_state("core", "degraded")
    incident = watched.memory.incidents()[0]
    assert "the kernel killed a process in it for want of memory (its limit is 16 MiB)" in incident.cause
    assert watched.alerts.kinds("fired") == ["degraded"]
    assert watched.totals.of("bgmon_container_oom_kills_total") == {("core",): 1.0}


def test_removed_container_is_created_again(
    watched: Watched, busybox_image: str, docker_client: docker.DockerClient
) -> None:
    old = watched.run("core", busybox_image, command=SLEEP, **SETTLED)
    watched.watch()
    watched.wait_state("core", "healthy")
    docker_client.containers.get(old.id).remove(force=True)
    wait_until(lambda: watched.deployer.recreated == ["core"], what="it is created again")
    watched.wait_state("core", "healthy")
    assert watched.alerts.kinds("fired") == ["missing"]
    assert watched.alerts.kinds("resolved") == ["missing"]


def test_crash_loop_is_slowed_down_and_quarantined(
    watched: Watched, busybox_image: str, docker_client: docker.DockerClient
) -> None:
    heal = {"budget": 3, "rollback_window": "0s"}
    container = watched.run("core", busybox_image, command=("/bin/sh", "-c", "sleep 0.2; exit 3"), heal=heal)
    watched.watch()
    watched.wait_state("core", "crash-looping")
    assert "crash-loop" in watched.alerts.kinds("fired")
    wait_until(lambda: _policy(docker_client, container.id) == "no", what="the loop is taken over from Docker")
    # The budget of three is spent by Docker's two restarts and the one it had begun.
    watched.wait_state("core", "quarantined", timeout=60)
    assert watched.alerts.kinds("fired").count("quarantined") == 1
    assert watched.memory.incidents()[0].ended_at is None


def _policy(client: docker.DockerClient, ref: str) -> str:
    return str(client.containers.get(ref).attrs["HostConfig"]["RestartPolicy"]["Name"])


@pytest.mark.parametrize("policy", ["unless-stopped", "no"])
def test_docker_stop_is_respected(
    watched: Watched, busybox_image: str, docker_client: docker.DockerClient, policy: str
) -> None:
    container = watched.run("core", busybox_image, command=SLEEP, restart=policy, **SETTLED)
    watched.watch()
    watched.wait_state("core", "healthy")
    docker_client.containers.get(container.id).stop(timeout=0)
    watched.wait_state("core", "stopped")
    assert watched.store.flags("core").stopped_by
    assert watched.alerts.said == []
    docker_client.containers.get(container.id).start()
    watched.wait_state("core", "healthy")
    assert not watched.store.flags("core").stopped_by
    assert watched.totals.of("bgmon_restarts_total") == {}


def test_docker_restart_alarms_nobody(watched: Watched, busybox_image: str, docker_client: docker.DockerClient) -> None:
    container = watched.run("core", busybox_image, command=SLEEP, **SETTLED)
    watched.watch()
    watched.wait_state("core", "healthy")
    before = time.time()
    docker_client.containers.get(container.id).restart(timeout=0)
    wait_until(lambda: restarted(watched, "core", before), what="it runs again")
    watched.wait_state("core", "healthy")
    time_of_life = watched.container("core")
    assert time_of_life is not None
    assert watched.daemon is not None
    watches = watched.daemon.reconciler.watches
    wait_until(lambda: str(time_of_life.started_at)[:12] in watches["core"].life)
    assert watched.alerts.said == []


def test_docker_stop_while_docker_waits_to_restart(
    watched: Watched, busybox_image: str, docker_client: docker.DockerClient
) -> None:
    heal = {"budget": 100, "rollback_window": "0s", "enabled": False}
    container = watched.run("core", busybox_image, command=("/bin/sh", "-c", "exit 3"), heal=heal)
    watched.watch()
    api = docker_client.containers.get(container.id)

    def waiting() -> bool:
        api.reload()
        return bool(api.status == "restarting" and api.attrs["RestartCount"] >= 4)

    wait_until(waiting, what="a wait long enough to stop it in", timeout=60)
    api.stop(timeout=0)
    watched.wait_state("core", "stopped")
    api.reload()
    assert api.status == "exited"


def test_forged_labels_are_reported_and_never_acted_upon(
    watched: Watched, busybox_image: str, docker_client: docker.DockerClient
) -> None:
    real = watched.run("core", busybox_image, command=SLEEP, **SETTLED)
    forged = docker_client.containers.run(
        busybox_image, ["/bin/sh", "-c", "exit 1"], labels=dict(real.labels), detach=True,
        name=f"{watched.project}-stranger",
    )  # fmt: skip
    watched.watch(reconcile=0.5)
    watched.wait_state("core", "healthy")
    wait_until(lambda: watched.alerts.kinds("told") == ["orphan"], what="the stranger is reported")
    forged.reload()
    assert forged.status == "exited"
    assert watched.state("core") == "healthy"
    assert watched.totals.of("bgmon_restarts_total") == {}


def test_held_lock_keeps_the_daemon_away(watched: Watched, busybox_image: str) -> None:
    watched.run("core", busybox_image, command=SLEEP, restart="no", **SETTLED)
    watched.watch(reconcile=0.3)
    watched.wait_state("core", "healthy")
    with watched.locks.acquire("core", wait=0, purpose="a deploy"):
        watched.kill_process("core")
        watched.wait_state("core", "deploying")
        container = watched.container("core")
        assert container is not None
        assert not container.running
    watched.wait_state("core", "healthy")


def test_docker_s_own_health_check_is_heeded(watched: Watched, shop_image: str, free_port: Callable[[], int]) -> None:
    """Its image says how to check it, and it is asked nothing else."""
    port = free_port()
    image = shop_image.replace(":v1", ":healthcheck")
    heal = {"rollback_window": "0s"}
    watched.run("core", image, port=port, health={"start": "20s"}, deploy={"stop": "1s"}, heal=heal)
    daemon = watched.watch()
    watched.wait_state("core", "healthy")
    before = time.time()
    ask(port, "/hang")
    wait_until(lambda: restarted(watched, "core", before), what="it was restarted", timeout=40)
    watched.wait_state("core", "healthy")
    assert daemon.probing is not None
    assert daemon.probing.made == 0
    assert "Docker's health check says unhealthy" in watched.memory.incidents()[0].cause


def test_a_health_check_that_stays_starting_is_told(
    watched: Watched, shop_image: str, docker_client: docker.DockerClient
) -> None:
    """Frozen, or with a start period of an hour: `health.start` bounds how long that is believed."""
    check = {"test": ["CMD-SHELL", "echo still loading; exit 1"], "interval": 10**8, "start_period": 3600 * 10**9}
    heal = {"rollback_window": "0s"}
    watched.extra = {"healthcheck": check}
    watched.run("core", shop_image, health={"mode": "docker", "start": "3s"}, deploy={"stop": "1s"}, heal=heal)
    watched.watch()
    watched.wait_state("core", "starting")
    watched.wait_state("core", "unhealthy")
    incident = watched.memory.incidents()[0]
    assert incident.kind == "unhealthy"
    assert "says starting (exit code 1: still loading), 3 s (health.start) after its start" in incident.cause
