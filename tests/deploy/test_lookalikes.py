"""Containers that carry our labels and were not made by bgmon: named, and touched by nothing but their id."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import Conflict
from tests.support.stage import REPOSITORY, Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy]

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def real(stage: Stage) -> str:
    """The id of core's container."""
    return stage.deploy("v1").container


def copied(stage: Stage, client: Any, container: str, name: str = "debug", **more: Any) -> Any:
    """A debug copy: somebody else's container with all the labels of `container`, running."""
    labels = client.containers.get(container).labels
    made = client.containers.run(
        f"{REPOSITORY}:v1", labels=labels, name=f"{stage.project}-{name}", detach=True, **more
    )  # fmt: skip
    made.reload()
    return made


@pytest.fixture
def copy(stage: Stage, docker_client: Any, real: str) -> Any:
    return copied(stage, docker_client, real)


def test_exec_and_logs_are_about_the_recorded_container(stage: Stage, real: str, copy: Any) -> None:
    copy.exec_run(["/bin/sh", "-c", "echo forged > /proc/1/fd/1"])
    for _ in range(3):  # the engine lists the newer one first; whichever order it takes, it is never asked
        told = stage.run("exec", "core", "cat", "/etc/hostname", check=True)
        assert told.stdout.strip() == real[:12]
    logs = stage.run("logs", "core", check=True).stdout
    assert logs
    assert "forged" not in logs


def test_stop_start_and_restart_leave_the_copy_alone_and_say_so(
    stage: Stage, docker_client: Any, real: str, copy: Any
) -> None:
    started = copy.attrs["State"]["StartedAt"]
    stopped = stage.run("stop", "core", check=True)
    assert docker_client.containers.get(real).status == "exited"
    assert copy.name in stopped.stdout + stopped.stderr
    assert "left alone" in stopped.stdout + stopped.stderr
    stage.run("start", "core", check=True)
    stage.run("restart", "core", check=True)
    assert stage.app().engine.inspect(real).running  # type: ignore[union-attr]
    copy.reload()
    assert (copy.status, copy.attrs["State"]["StartedAt"]) == ("running", started)


def test_status_and_doctor_tell_the_copy_from_the_service(stage: Stage, real: str, copy: Any) -> None:
    copy.stop(timeout=0)
    document = json.loads(stage.run("status", "--json", check=True).stdout)
    assert [row["state"] for row in document["services"]] == ["running"]
    assert [one["id"] for one in document["lookalikes"]] == [copy.id]
    assert "orphans" not in document
    assert f"{copy.name} (exited) carries our labels" in stage.run("status").stderr
    assert f"bgmon prune --id {copy.id[:12]}" in stage.run("doctor").stdout


def test_a_service_whose_container_is_gone_is_not_mistaken_for_its_copy(stage: Stage, real: str, copy: Any) -> None:
    stage.app().engine.remove(real)
    assert json.loads(stage.run("status", "--json").stdout)["services"][0]["state"] == "missing"
    told = stage.run("exec", "core", "true")
    assert told.returncode != 0
    assert f"{copy.name} only carries its labels" in told.stderr
    stage.run("start", "core", check=True)
    assert stage.version() == "v1"
    copy.reload()
    assert copy.status == "running"


def test_prune_removes_the_copy_only_by_its_id(stage: Stage, docker_client: Any, real: str, copy: Any) -> None:
    pruned = stage.run("prune", "--force", check=True)
    assert copy.name in pruned.stderr
    assert json.loads(stage.run("prune", "--force", "--json", check=True).stdout)["left_alone"]
    copy.reload()
    assert copy.status == "running"
    for wrong in (real, real[:12], f"{stage.project}-core-blue", "f" * 12):
        assert stage.run("prune", "--id", wrong).returncode == 2, wrong
    stage.run("prune", "--id", copy.id[:12], check=True)
    assert [one.id for one in docker_client.containers.list(all=True, filters={"id": [copy.id, real]})] == [real]


def test_remove_takes_only_what_bgmon_made(stage: Stage, docker_client: Any, real: str, copy: Any) -> None:
    removed = stage.run("remove", "core", "--yes", check=True)
    assert copy.name in removed.stdout + removed.stderr
    left = docker_client.containers.list(all=True, filters={"label": f"bgmon.project={stage.project}"})
    assert [one.id for one in left] == [copy.id]


def test_deploy_and_rollback_leave_copies_alone(stage: Stage, docker_client: Any, real: str, copy: Any) -> None:
    second = stage.deploy("v2").container
    copies = [copy, copied(stage, docker_client, second, "second")]
    stage.run("rollback", "core", check=True)
    assert stage.version() == "v1"
    for one in copies:
        one.reload()
        assert one.status == "running"


def test_a_copy_that_holds_greens_name_is_never_deleted(stage: Stage, docker_client: Any, real: str) -> None:
    taken = copied(stage, docker_client, real, "core-green", entrypoint=["/bin/true"])
    taken.wait()
    with pytest.raises(Conflict, match="does not know it") as caught:
        stage.deploy("v2")
    assert f"bgmon prune --id {taken.id[:12]}" in caught.value.hint
    taken.reload()
    assert stage.version() == "v1"


def test_a_copy_that_holds_the_name_of_a_removed_container_is_never_deleted(
    stage: Stage, docker_client: Any, real: str
) -> None:
    labels = docker_client.containers.get(real).labels
    stage.app().engine.remove(real)
    taken = docker_client.containers.run(
        f"{REPOSITORY}:v1", labels=labels, name=f"{stage.project}-core-blue", detach=True
    )
    told = stage.run("start", "core")
    assert told.returncode != 0
    assert "does not know it" in told.stderr
    taken.reload()
    assert taken.status == "running"
    assert stage.app().store.unfinished() == []


DIES = """
import os, signal, sys
from monitor.bootstrap import build
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployRequest

app = build(None)
create = app.engine.create

def die_after(spec):
    create(spec)
    os.kill(os.getpid(), signal.SIGKILL)

app.engine.create = die_after
deploy(app.deps(lambda _: None), DeployRequest(spec=app.specs["core"], image=sys.argv[1], version="v2"))
"""


def test_a_container_whose_id_its_maker_did_not_live_to_record_is_still_ours(
    stage: Stage, docker_client: Any, real: str
) -> None:
    died = subprocess.run(
        [sys.executable, "-c", DIES, f"{REPOSITORY}:v2"],
        cwd=stage.folder, env={**stage.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=60,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    green = docker_client.containers.get(f"{stage.project}-core-green")
    copy = copied(stage, docker_client, green.id)
    assert stage.run("deploy", "--resume").returncode == 0
    assert stage.version() == "v1"
    left = docker_client.containers.list(all=True, filters={"label": "bgmon.kind=app"}, ignore_removed=True)
    assert {one.id for one in left if one.name.startswith(stage.project)} == {real, copy.id}
