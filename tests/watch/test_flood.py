"""The page can never starve the healer: 2,000 idle, 500 slow and 500 streaming visitors, on loopback."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.errors import BgmonError
from tests.support.stage import Stage, make_stage
from tests.support.wait import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.proxy, pytest.mark.timeout(300)]

VISITORS = {"idle": 2000, "slow": 500, "streaming": 500}


@pytest.fixture
def stage(
    tmp_path: Path, project: str, shop_image: str, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    made = make_stage(tmp_path, project, free_port, low=random.randrange(22000, 29000, 250))
    made.config["watch"] = {"listen": f"127.0.0.1:{free_port()}", "reconcile": "2s"}
    made.service(deploy__bake="0s")
    yield made
    with contextlib.suppress(BgmonError):
        made.app().proxy.remove()
    made.close()


@contextlib.contextmanager
def daemon(stage: Stage, hard: int) -> Iterator[subprocess.Popen[bytes]]:
    """The command with a soft limit of 1,024 descriptors, as most hosts give, and this hard one."""
    with (stage.folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "watch", "-v"],
            cwd=stage.folder,
            env=stage.environ,
            stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard)),  # noqa: PLW1509 - no threads here
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextlib.contextmanager
def flood(port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.support.flood", str(port), *map(str, VISITORS.values())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "flooding\n"
        yield
        assert process.poll() is None
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def container(stage: Stage) -> tuple[str, int]:
    """Id and pid of core's, 0 while it does not run."""
    app = stage.app()
    release = app.store.active("core")
    assert release is not None
    found = app.engine.inspect(release.container)
    return release.container, found.pid if found is not None else 0


@pytest.mark.parametrize("hard", [1024, 20_000])
def test_healing_goes_on_under_a_flood_of_visitors(stage: Stage, hard: int) -> None:
    stage.deploy("v1", pull="never")
    port = int(stage.config["watch"]["listen"].rpartition(":")[2])
    with daemon(stage, hard) as process:
        wait_until(lambda: "healthy" in state(port), what="core is healthy")
        with flood(port):
            assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 400  # 256 places, and the daemon's own
            _, pid = container(stage)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: container(stage)[1] not in (0, pid), what="it was started again", timeout=30)
            first, _ = container(stage)
            stage.app().engine.remove(first)
            wait_until(lambda: container(stage)[0] != first and container(stage)[1], what="made again", timeout=60)
            wait_until(lambda: stage.answer()[0] == 200, what="it serves", timeout=60)
            log = (stage.folder / "daemon.log").read_text()
            assert "Too many open files" not in log
        wait_until(lambda: "healthy" in state(port), what="the page answers again")


def state(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return ""
    return " ".join(line for line in lines if line.startswith("bgmon_service_state") and line.endswith(" 1.0"))
