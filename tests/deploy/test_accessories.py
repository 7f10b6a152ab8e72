"""A small database on the real engine: booted, upgraded without ever running twice, backed up, and never begun anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import docker
import pytest

from monitor.errors import EngineError
from monitor.services.deploy.deployer import DeployService
from tests.support.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy]

# It locks its data as databases do: a second one beside it ends at once.
LOCKED = "mkdir /data/lock || exit 5; trap 'rmdir /data/lock; exit 0' TERM; "
SERVER = "echo $GREETING >> /data/starts; touch /data/ready; sleep 3600 & wait"


@pytest.fixture
def db(stage: Stage, busybox_image: str, docker_client: docker.DockerClient) -> Any:
    section = {
        "image": busybox_image,
        "command": ["/bin/sh", "-c", LOCKED + SERVER],
        "env": {"GREETING": "first"},
        "volumes": [f"{stage.project}-data:/data"],
        "health": {"command": ["/bin/test", "-f", "/data/ready"], "interval": "1s", "start": "20s"},
        "stop": "2s",
        "backup": {"command": "cp /data/starts /backup/", "schedule": "0 3 * * *", "keep": 2},
    }
    stage.config["accessories"] = {"db": section}
    stage.write()
    yield section
    stage.run("accessory", "remove", "db", "--yes")
    for volume in docker_client.volumes.list():
        if volume.name == f"{stage.project}-data":
            volume.remove(force=True)


def starts(stage: Stage) -> list[str]:
    done = stage.run("accessory", "exec", "db", "--", "/bin/cat", "/data/starts", check=True)
    return done.stdout.split()


def test_it_is_booted_upgraded_and_backed_up_and_never_swapped(stage: Stage, db: dict[str, Any]) -> None:
    done = stage.run("accessory", "boot", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert starts(stage) == ["first"]
    first = stage.app().store.active("db")
    assert first is not None
    again = stage.run("accessory", "boot", check=True)
    assert "db: is there" in again.stdout
    refused = stage.run("deploy", "db")
    assert (refused.returncode, "bgmon accessory upgrade db" in refused.stderr) == (2, True)
    plan = json.loads(stage.run("deploy", "--all", "--tag", "v1", "--dry-run", "--json", check=True).stdout)["plan"]
    assert list(plan) == ["core"]
    assert "db" in json.dumps(json.loads(stage.run("status", "--json", check=True).stdout)["services"])

    db["env"]["GREETING"] = "second"
    stage.write()
    upgraded = stage.run("accessory", "upgrade", "db")
    assert upgraded.returncode == 0, upgraded.stdout + upgraded.stderr
    assert starts(stage) == ["first", "second"]

    db["command"] = ["/bin/sh", "-c", "exit 4"]
    stage.write()
    failed = stage.run("accessory", "upgrade", "db")
    assert failed.returncode == 1
    assert starts(stage) == ["first", "second", "second"]  # the former one was started again, on its data

    assert stage.run("run", "--job", "db-backup").returncode == 0
    (folder,) = (stage.folder / "state" / stage.project / "backups" / "db").iterdir()
    assert Path(folder / "starts").read_text().split() == ["first", "second", "second"]
    assert folder.parent.stat().st_mode & 0o077 == 0


def test_it_is_not_made_again_beside_an_empty_volume(
    stage: Stage, db: dict[str, Any], docker_client: docker.DockerClient
) -> None:
    db["command"] = ["/bin/sh", "-c", SERVER]
    stage.write()
    stage.run("accessory", "boot", check=True)
    app = stage.app()
    active = app.store.active("db")
    assert active is not None
    docker_client.containers.get(active.container).remove(force=True)
    DeployService(stage.deps(app)).recreate("db")  # the data is there: it goes on
    assert starts(stage) == ["first", "first"]
    again = app.store.active("db")
    assert again is not None
    docker_client.containers.get(again.container).remove(force=True)
    docker_client.volumes.get(db["volumes"][0].partition(":")[0]).remove()
    with pytest.raises(EngineError, match="its volume .* is gone, and it is not started with an empty one"):
        DeployService(stage.deps(app)).recreate("db")
    assert stage.containers() == {}
