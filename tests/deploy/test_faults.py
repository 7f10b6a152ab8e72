"""What goes wrong around a deploy: in none of these does blue lose traffic."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.errors import BakeFailed, Conflict, EngineUnreachable, GateFailed, LockedError, PullFailed
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployRequest
from tests.support.ports import taken_ports
from tests.support.registry import Registry
from tests.support.stage import REPOSITORY, Stage
from tests.support.wait import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.proxy]


@contextmanager
def serving_v1(stage: Stage) -> Iterator[None]:
    """v1 serves before, during and after, without one failed request."""
    stage.deploy("v1")
    with stage.load() as load:
        yield
        assert stage.version() == "v1"
    assert load.failures == []
    active = stage.app().store.active("core")
    assert active is not None
    assert active.version == "v1"
    assert stage.containers() == {f"{stage.project}-core-{active.color}": "v1"}


def test_an_image_that_does_not_exist(stage: Stage, registry: Registry) -> None:
    with serving_v1(stage), pytest.raises(PullFailed):
        stage.deploy("nope", image=f"{registry.address}/shop/nope:nope")


def test_a_registry_that_does_not_answer(stage: Stage) -> None:
    with serving_v1(stage), pytest.raises(PullFailed):
        stage.deploy("x", image="127.0.0.1:9/shop/core:x")


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"HEALTH_STATUS": "500"}, "status 500 is not 200"),
        ({"HEALTH_DELAY": "5"}, "no answer within 0.3 s"),
        ({"PORT": "4000"}, "no 2 good answers"),
        ({"EXIT_AT_START": "7"}, "exited with code 7"),
    ],
)
def test_a_green_that_is_sick(stage: Stage, env: dict[str, str], words: str) -> None:
    with serving_v1(stage):
        stage.service(env=env, health__start="2s", health__timeout="300ms")
        with pytest.raises(GateFailed, match=words):
            stage.deploy("v2")
        stage.service(env={})


def test_a_wrong_port_is_explained_by_who_listens_where(stage: Stage) -> None:
    stage.service(env={"PORT": "4000"}, health__start="1500ms")
    with pytest.raises(GateFailed) as caught:
        stage.deploy("v1")
    assert "nothing listens on port 3000 inside the container, but on 4000" in caught.value.hint


def test_a_green_that_answers_late_is_waited_for(stage: Stage) -> None:
    stage.deploy("v1")
    stage.service(env={"START_DELAY": "2"})
    with stage.load() as load:
        stage.deploy("v2")
    assert load.failures == []
    assert stage.version() == "v2"


def test_a_green_killed_by_its_memory_limit(stage: Stage) -> None:
    with serving_v1(stage):
        stage.service(
            command=["oom"], docker={"entrypoint": ["python3", "-c", "x = bytearray(10**9)"]}, limits={"memory": "32m"}
        )
        with pytest.raises(GateFailed, match="limits.memory") as caught:
            stage.deploy("v2")
        assert caught.value.hint == "raise limits.memory"
        core = stage.service()
        del core["docker"], core["command"]
        stage.write()


def test_a_port_taken_by_a_stranger_is_passed_over(stage: Stage) -> None:
    with taken_ports(2) as low:
        stage.config["proxy"] |= {"reach": "port", "ports": f"{low}-{low + 2}"}
        stage.write()
        assert stage.deploy("v1").port == low + 2


def test_no_free_port_is_said(stage: Stage) -> None:
    with taken_ports(2) as low:
        stage.config["proxy"] |= {"reach": "port", "ports": f"{low}-{low + 1}"}
        stage.write()
        result = stage.run("deploy", "core", "--tag", "v1")
    assert result.returncode == 1
    assert "proxy.ports" in result.stderr


def test_two_deploys_at_once(stage: Stage) -> None:
    stage.deploy("v1")
    hooks = stage.folder / ".bgmon" / "hooks"
    hooks.mkdir(parents=True)
    go_on = stage.folder / "go-on"
    (hooks / "pre-switch").write_text(f"#!/bin/sh\nuntil test -e {go_on}; do sleep 0.05; done\n")
    (hooks / "pre-switch").chmod(0o755)
    first = subprocess.Popen(
        [sys.executable, "-m", "monitor", "deploy", "core", "--tag", "v2", "--json"],
        cwd=stage.folder, env=stage.environ, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert first.stdout is not None
    assert any('"healthy"' in line for line in iter(first.stdout.readline, ""))
    second = stage.run("deploy", "core", "--tag", "v5", "--json")
    assert second.returncode == 3
    assert f"pid {first.pid}" in second.stderr
    assert json.loads(second.stdout.splitlines()[-1])["event"] == "failed"
    with pytest.raises(LockedError):
        stage.deploy("v5")
    third = subprocess.Popen(
        [sys.executable, "-m", "monitor", "deploy", "core", "--tag", "v5", "--wait", "60s", "--no-bake"],
        cwd=stage.folder, env=stage.environ, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    go_on.touch()
    first.communicate(timeout=60)
    assert (first.returncode, third.wait(timeout=60)) == (0, 0)
    assert stage.version() == "v5"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_deploy_undoes_itself(stage: Stage, number: int) -> None:
    with serving_v1(stage):
        stage.service(deploy__bake="60s")
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "deploy", "core", "--tag", "v2", "--json"],
            cwd=stage.folder, env=stage.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert any('"baking"' in line for line in iter(process.stdout.readline, ""))
        os.kill(process.pid, number)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        last = json.loads(out.splitlines()[-1])
        assert (last["event"], last["result"]) == ("failed", "switched-back")
        assert "total" in last["timings"]


def test_a_proxy_that_is_down_is_started(stage: Stage) -> None:
    stage.deploy("v1")
    stage.app().proxy.remove()
    stage.deploy("v2")
    assert stage.version() == "v2"


def test_a_proxy_config_broken_by_hand_is_written_anew(stage: Stage) -> None:
    stage.deploy("v1")
    [file] = list((stage.folder / "state").rglob("haproxy.cfg"))
    file.write_text("this is no configuration\n")
    with stage.load() as load:
        stage.deploy("v2")
    assert load.failures == []
    assert stage.version() == "v2"


def test_an_engine_that_is_not_there_changes_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.deploy("v1")
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{stage.folder}/nobody.sock")
        assert stage.run("deploy", "core", "--tag", "v2").returncode == 4
        with pytest.raises(EngineUnreachable):
            stage.deploy("v2")
    assert stage.version() == "v1"
    assert stage.app().store.unfinished() == []


def test_a_container_renamed_by_hand_is_still_the_right_one(stage: Stage) -> None:
    release = stage.deploy("v1")
    stage.app().engine.rename(release.container, f"{stage.project}-somebody")
    with stage.load() as load:
        stage.deploy("v2")
    assert load.failures == []
    assert stage.version() == "v2"
    assert stage.containers() == {f"{stage.project}-core-green": "v2"}


def test_a_container_removed_by_hand_does_not_stop_the_next_deploy(stage: Stage) -> None:
    release = stage.deploy("v1")
    stage.app().engine.remove(release.container)
    stage.deploy("v2")
    assert stage.version() == "v2"


def test_a_strangers_container_with_our_name_is_left_alone(stage: Stage, docker_client: object) -> None:
    with serving_v1(stage):
        name = f"{stage.project}-core-green"
        stranger = docker_client.containers.create(f"{REPOSITORY}:v1", name=name)  # type: ignore[attr-defined]
        with pytest.raises(Conflict, match="did not start"):
            stage.deploy("v2")
        stranger.reload()
        stranger.remove()


def test_a_tag_that_moves_changes_nothing_for_what_was_pulled(
    stage: Stage, registry: Registry, docker_client: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reference = f"{registry.address}/{stage.project}/core:latest"
    login = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": login}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    registry.push(f"{REPOSITORY}:v1", f"{stage.project}/core:latest")
    first = stage.deploy("latest", image=reference)
    assert first.digest.startswith(f"{registry.address}/{stage.project}/core@sha256:")
    registry.push(f"{REPOSITORY}:v2", f"{stage.project}/core:latest")
    assert stage.version() == "v1"
    second = stage.deploy("latest", image=reference)
    assert stage.version() == "v2"
    assert second.digest != first.digest
    result = stage.run("rollback", "core", "--json")
    assert result.returncode == 0, result.stderr
    assert stage.version() == "v1"


def test_a_green_that_dies_right_after_the_switch(stage: Stage) -> None:
    """The `exit` endpoint is called through the proxy as soon as green has the traffic."""
    stage.deploy("v1")
    stage.service(deploy__bake="20s")
    deps = stage.deps()
    emit = deps.emit

    def kill_when_switched(event: object) -> None:
        emit(event)  # type: ignore[arg-type]
        if event.event == "switched":  # type: ignore[attr-defined]
            threading.Thread(target=lambda: stage.app().engine.kill(f"{stage.project}-core-green")).start()

    app = stage.app()
    order = DeployRequest(spec=app.specs["core"], image=f"{REPOSITORY}:v2", version="v2")
    with stage.load() as load, pytest.raises(BakeFailed, match="exited with code 137|errors"):
        deploy(replace(deps, emit=kill_when_switched), order)
    assert stage.version() == "v1"
    # Requests that green had accepted when it was killed are the only ones that may fail.
    assert len(load.failures) <= 4


def test_a_request_in_flight_is_finished_by_blue(stage: Stage) -> None:
    stage.deploy("v1")
    answers: list[tuple[int, str]] = []
    slow = threading.Thread(target=lambda: answers.append(stage.answer("/slow?ms=2500")))
    slow.start()
    wait_until(lambda: stage.app().proxy.slots("core")["blue"].sessions > 0, what="the slow request")
    stage.deploy("v2")
    slow.join()
    assert [status for status, _ in answers] == [200]


def test_an_app_that_ignores_sigterm_is_killed_when_its_time_is_over(stage: Stage) -> None:
    stage.deploy("stubborn")
    stage.deploy("v2")
    assert stage.containers() == {f"{stage.project}-core-green": "v2"}
