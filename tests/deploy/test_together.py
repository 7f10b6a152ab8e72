"""Two roles of one image on the real engine: both get the new version, or none does, and no request is lost."""

from __future__ import annotations

import json

import pytest

from tests.support.stage import REPOSITORY, Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy]


def test_roles_get_their_new_version_together_or_not_at_all(stage: Stage) -> None:
    core = stage.service(group="shop", deploy__bake="300ms")
    worker = {"like": "core", "health": {"settle": "200ms", "start": "5s"}, "env": {"ROLE": "worker"}, "group": "shop"}
    stage.config["services"] = {"core": core, "worker": worker}
    stage.write()
    done = stage.run("deploy", "core", "worker", "--image", f"{REPOSITORY}:v1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    names = [event["event"] for event in events]
    assert max(at for at, name in enumerate(names) if name == "healthy") < names.index("switched")
    assert sorted(stage.containers().values()) == ["v1", "v1"]

    worker["command"] = ["python3", "-c", "raise SystemExit(3)"]
    worker["docker"] = {"entrypoint": [""]}
    stage.write()
    with stage.load() as load:
        failed = stage.run("deploy", "--group", "shop", "--tag", "v2")
    assert failed.returncode == 1
    assert "worker failed, and they are deployed together" in failed.stderr
    assert load.failures == []
    assert stage.version() == "v1"
    assert sorted(stage.containers().values()) == ["v1", "v1"]

    each = stage.run("deploy", "core", "worker", "--each", "--tag", "v2")
    assert each.returncode == 1
    assert stage.version() == "v2"
    assert sorted(stage.containers().values()) == ["v1", "v2"]

    wrong = stage.run("deploy", "--group", "shops", "--tag", "v2")
    assert (wrong.returncode, "known: shop" in wrong.stderr) == (2, True)
