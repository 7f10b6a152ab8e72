"""SIGKILL of a deploy at every step: the next command leaves one right color with traffic, and no orphan."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.domain.deploy.swap import ORDER
from tests.support.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy]

ROOT = Path(__file__).parent.parent.parent
PROVEN = ("drain", "retire", "finish")
POINTS = [(step, moment) for step in (*ORDER, "finish") for moment in ("before", "after")]
# The release command has a test of its own; what stop-first has before its hold and after its bake is start-first's.
START_FIRST = ("begin", "pull", "create", "gate", "canary", "switch", "bake", "drain", "retire", "finish")
STOP_FIRST = ("hold", "gate", "switch", "bake", "retire")


def killed_deploy(stage: Stage, tag: str, step: str, moment: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_deploy", tag, step, moment],
        cwd=stage.folder,
        env={**stage.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr


def points(*steps: str) -> list[tuple[str, str]]:
    return [(step, moment) for step, moment in POINTS if step in steps]


def check_settled(stage: Stage, version: str) -> None:
    app = stage.app()
    assert app.store.unfinished() == []
    active = app.store.active("core")
    assert active is not None
    assert active.version == version == stage.version()
    assert stage.containers() == {f"{stage.project}-core-{active.color}": version}
    assert {color for color, slot in app.proxy.slots("core").items() if slot.state == "ready"} == {active.color}
    container = app.engine.inspect(active.container)
    assert container is not None
    assert container.restart_policy == "unless-stopped"


def test_at_every_step_the_next_command_settles_it_and_no_request_is_lost(stage: Stage) -> None:
    stage.service(deploy__bake="200ms", deploy__stop="1s", deploy__canary=[{"weight": 20, "for": "100ms"}])
    stage.deploy("v1")
    serving = "v1"
    with stage.load() as load:
        for step, moment in points(*START_FIRST):
            coming = "v2" if serving != "v2" else "v5"
            killed_deploy(stage, coming, step, moment)
            assert stage.answer()[0] == 200, (step, moment)
            result = stage.run("deploy", "--resume")
            assert result.returncode == 0, (step, moment, result.stderr)
            proven = step in PROVEN and (step, moment) != ("drain", "before")
            serving = coming if proven else serving
            check_settled(stage, serving)
            assert load.failures == [], (step, moment)


def test_at_every_step_of_stop_first_the_next_command_settles_it_and_requests_wait(stage: Stage) -> None:
    stage.service(deploy__bake="200ms", deploy__stop="1s", deploy__order="stop-first")
    stage.deploy("v1")
    serving = "v1"
    with stage.load() as load:
        for step, moment in points(*STOP_FIRST):
            coming = "v2" if serving != "v2" else "v5"
            killed_deploy(stage, coming, step, moment)
            result = stage.run("deploy", "--resume")
            assert result.returncode == 0, (step, moment, result.stderr)
            serving = coming if step in PROVEN and (step, moment) != ("drain", "before") else serving
            check_settled(stage, serving)
            assert load.failures == [], (step, moment)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deploy_killed_at_its_release_command_is_undone_and_leaves_nothing(stage: Stage, moment: str) -> None:
    stage.service(command=["python3", "/app/app.py"], docker={"entrypoint": [""]})
    stage.deploy("v1")
    stage.service(deploy__release={"command": ["sleep", "60"]})
    killed_deploy(stage, "v2", "release", moment)
    result = stage.run("deploy", "--resume")
    assert result.returncode == 0, result.stderr
    check_settled(stage, "v1")
    assert stage.app().engine.containers({"bgmon.project": stage.project, "bgmon.kind": "task"}) == []


@pytest.mark.parametrize("step", ["create", "gate", "switch"])
def test_a_first_deploy_that_was_killed_leaves_nothing(stage: Stage, step: str) -> None:
    killed_deploy(stage, "v1", step, "after")
    result = stage.run("deploy", "--resume", "--json")
    assert result.returncode == 0, result.stderr
    assert stage.app().store.unfinished() == []
    if step == "switch":  # nobody else serves: the only color that runs keeps the traffic
        assert stage.version() == "v1"
    else:
        assert stage.containers() == {}


def test_the_next_deploy_settles_it_by_itself(stage: Stage) -> None:
    stage.deploy("v1")
    killed_deploy(stage, "v2", "bake", "after")
    stage.deploy("v5")
    check_settled(stage, "v5")
    assert any("cut off at 'bake': undone, v1 serves" in event.text for event in stage.events)


@pytest.mark.parametrize(("step", "moment"), [("drain", "after"), ("retire", "before"), ("retire", "after")])
def test_a_deploy_that_takes_the_port_away_is_undone_when_its_green_died(stage: Stage, step: str, moment: str) -> None:
    stage.deploy("v1")
    stage.take_port()
    killed_deploy(stage, "v2", step, moment)
    stage.app().engine.remove(f"{stage.project}-core-green")
    result = stage.run("deploy", "--resume")
    assert result.returncode == 0, result.stderr
    check_settled(stage, "v1")


def test_a_proxy_killed_together_with_the_deploy_comes_back_right(stage: Stage) -> None:
    stage.deploy("v1")
    killed_deploy(stage, "v2", "bake", "after")
    stage.app().proxy.remove()
    assert stage.run("deploy", "--resume").returncode == 0
    assert stage.run("proxy", "boot").returncode == 0
    check_settled(stage, "v1")
