"""An engine that restarts under a deploy, and disks that are full."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.errors import BgmonError, EngineError, StateError
from tests.support.private_engine import PrivateEngine
from tests.support.stage import Stage, make_stage
from tests.support.wait import wait_until
from tools import images

pytestmark = [
    pytest.mark.engine,
    pytest.mark.proxy,
    pytest.mark.private_engine,
    pytest.mark.xdist_group("private_engine"),
]

SERVE = [
    "/bin/sh",
    "-c",
    "mkdir -p /www && echo ok > /www/health && echo $0 > /www/version && exec httpd -f -p 3000 -h /www",
]


def on_engine(
    folder: Path, engine: PrivateEngine, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Stage:
    monkeypatch.setenv("DOCKER_HOST", engine.url)
    monkeypatch.setenv("BGMON_STATE_DIR", str(folder / "state"))
    stage = make_stage(folder, f"gone{random.randrange(10**6)}", free_port, low=random.randrange(22000, 29000, 250))
    images.busybox(engine.client)
    for version in ("v1", "v2"):
        engine.client.images.get(images.BUSYBOX).tag("bgmon-test/busybox", version)
    stage.service(image="bgmon-test/busybox", command=SERVE, deploy__bake="30s", deploy__stop="500ms")
    return stage


@pytest.fixture
def stage(
    tmp_path: Path, private_engine: PrivateEngine, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    made = on_engine(tmp_path, private_engine, free_port, monkeypatch)
    yield made
    private_engine.start()
    with contextlib.suppress(BgmonError):
        made.app().proxy.remove()
    for container in private_engine.client.containers.list(all=True):
        if (container.name or "").startswith(made.project):
            container.remove(force=True)
    made.close()


@contextlib.contextmanager
def deploying(stage: Stage, version: str, until: str) -> Iterator[subprocess.Popen[str]]:
    """A deploy by the command itself, once it has told of the step; it has ended when the block has."""
    command = [sys.executable, "-m", "monitor", "deploy", "core", "--image", f"bgmon-test/busybox:{version}", "--json"]
    errors = stage.folder / "deploy-errors.txt"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            command, cwd=stage.folder, env=stage.environ, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            told = []
            for line in process.stdout:
                told.append(line)
                if f'"{until}"' in line:
                    break
            else:
                raise AssertionError(f"ended before {until!r}: {told} {errors.read_text()}")
            yield process
        finally:
            process.kill()


def answers(stage: Stage, path: str) -> bool:
    try:
        return stage.answer(path)[0] == 200
    except OSError:
        return False


def test_an_engine_that_restarts_in_mid_deploy_leaves_blue_with_the_traffic(
    stage: Stage, private_engine: PrivateEngine
) -> None:
    stage.deploy("v1", image="bgmon-test/busybox:v1")
    with stage.load(clients=2, path="/health") as load:
        with deploying(stage, "v2", until="baking") as process:
            private_engine.stop()
            process.communicate(timeout=60)
        private_engine.start()
        assert process.returncode in (1, 4)
        wait_until(lambda: stage.run("deploy", "--resume").returncode == 0, what="the cut-off deploy is settled")
    assert stage.app().store.unfinished() == []
    active = stage.app().store.active("core")
    assert active is not None
    assert active.version == "v1"
    assert stage.containers() == {f"{stage.project}-core-blue": "v1"}
    # A request that came while blue's address led nowhere may have waited in vain for its connection.
    wait_until(lambda: answers(stage, "/health"), what="blue answers")
    # The proxy holds requests while blue is started again; only what was in blue's hands at the cut may be lost.
    assert len(load.failures) <= 2, load.failures


def test_a_full_disk_of_the_engine_stops_a_deploy_before_it_begins(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = PrivateEngine(tmp_path / "small", disk="300m")
    try:
        stage = on_engine(tmp_path, engine, free_port, monkeypatch)
        stage.deploy("v1", image="bgmon-test/busybox:v1")
        data = tmp_path / "small" / ".engine" / "data"
        (data / "ballast").write_bytes(bytes(100 * 1024**2))
        with stage.load(clients=2, path="/health") as load, pytest.raises(EngineError, match="MB are free") as caught:
            stage.deploy("v2", image="bgmon-test/busybox:v2")
        assert "bgmon prune" in caught.value.hint
        assert load.failures == []
        assert stage.app().store.unfinished() == []
        stage.app().proxy.remove()
        stage.close()
    finally:
        engine.close()


def test_a_full_disk_under_the_state_stops_a_deploy_and_loses_nothing(stage: Stage) -> None:
    state = stage.folder / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", state], check=True)
    try:
        stage.deploy("v1", image="bgmon-test/busybox:v1")
        ballast = state / "ballast"
        with ballast.open("wb") as file, contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(4096))
        with stage.load(clients=2, path="/health") as load:
            result = stage.run("deploy", "core", "--image", "bgmon-test/busybox:v2")
            assert result.returncode == 1
            assert "free some disk space" in result.stderr, result.stderr
            with pytest.raises(StateError):
                stage.deploy("v2", image="bgmon-test/busybox:v2")
        assert load.failures == []
        ballast.unlink()
        assert stage.run("deploy", "--resume").returncode == 0
        active = stage.app().store.active("core")
        assert active is not None
        assert active.version == "v1"
        assert stage.containers() == {f"{stage.project}-core-blue": "v1"}
        stage.app().proxy.remove()
    finally:
        subprocess.run(["umount", "-l", state], check=True)
