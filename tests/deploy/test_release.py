"""A release command on the real engine."""

from __future__ import annotations

import json

import pytest

from tests.support.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy]


def test_it_runs_in_the_new_image_with_the_secrets_and_refuses_the_deploy_when_it_fails(stage: Stage) -> None:
    (stage.folder / ".bgmon").mkdir()
    secrets = stage.folder / ".bgmon" / "secrets"
    secrets.write_text("API_KEY=kq7-Wn2vX9\n")
    secrets.chmod(0o600)
    code = "import os, sys; print('key', os.environ['API_KEY'], flush=True); sys.exit(int(os.environ.get('CODE', 0)))"
    release = {"command": ["python3", "-c", code], "timeout": "20s"}
    stage.service(
        secrets=["API_KEY"], deploy__release=release, command=["python3", "/app/app.py"], docker={"entrypoint": [""]}
    )
    done = stage.run("deploy", "core", "--tag", "v1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    names = [event["event"] for event in events]
    assert names.index("pulled") < names.index("releasing") < names.index("released") < names.index("created")
    assert [event["text"] for event in events if event["event"] == "output"] == ["key [masked]"]
    assert stage.version() == "v1"

    stage.service(env={"CODE": "3"})
    failed = stage.run("deploy", "core", "--tag", "v2")
    assert failed.returncode == 1
    assert "the release command ended with exit code 3" in failed.stderr
    assert stage.version() == "v1"
    assert set(stage.containers().values()) == {"v1"}
    last, first = json.loads(stage.run("tasks", "--json").stdout)["tasks"]
    assert (first["result"], last["result"], last["exit_code"]) == ("done", "failed", 3)
    assert stage.run("tasks", "--output", last["id"]).stdout == "key [masked]\n"
    assert "kq7-Wn2vX9" not in done.stdout + failed.stdout + failed.stderr
