"""Deploys over ssh: two hosts that are both this machine, with a state folder and a project name of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sshd import sshd
from tests.support.stage import Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy, pytest.mark.tools]


@pytest.fixture
def remote(stage: Stage, tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Stage]:
    """The stage, whose only host is reached over ssh."""
    program = Path(sys.executable).with_name("bgmon")
    far = {
        "BGMON_STATE_DIR": str(tmp_path / "state"),
        "DOCKER_HOST": os.environ["DOCKER_HOST"],
        "PATH": os.environ["PATH"],
    }
    with sshd(tmp_path / "ssh", free_port, far) as server:
        host = {"ssh": server.target, "options": server.options, "program": str(program)}
        stage.config["hosts"] = {"vps1": host, "gone": {**host, "ssh": "ssh://root@127.0.0.1:9"}}
        stage.service(hosts=["vps1"])
        yield stage


def test_a_service_is_deployed_where_it_belongs_and_secrets_travel_unseen(remote: Stage) -> None:
    remote.service(secrets=["SHOP_SECRET"])
    near: dict[str, Any] = {"BGMON_STATE_DIR": str(remote.folder / "near"), "SHOP_SECRET": "very-secret-value"}
    result = remote.run("deploy", "core", "--tag", "v1", **near)
    assert result.returncode == 0, result.stderr
    assert "very-secret-value" not in result.stdout + result.stderr
    assert remote.version() == "v1"
    app = remote.app()
    code, out = app.engine.exec(f"{remote.project}-core-blue", ("python3", "-c", "import os; print(dict(os.environ))"))
    assert code == 0
    assert b"very-secret-value" in out
    app.close()
    assert (
        not (remote.folder / "near" / remote.project / "state.db").exists()
        or '"v1"' not in remote.run("history", "--json", **near).stdout
    )
    status = remote.run("-H", "vps1", "status", **near)
    assert status.returncode == 0, status.stderr
    assert "v1" in status.stdout


def test_a_host_that_cannot_be_reached_is_found_before_anything_is_changed(remote: Stage) -> None:
    near: dict[str, Any] = {"BGMON_STATE_DIR": str(remote.folder / "near")}
    assert remote.run("deploy", "core", "--tag", "v1", **near).returncode == 0
    remote.service(hosts=["vps1", "gone"])
    result = remote.run("deploy", "core", "--tag", "v2", **near)
    assert result.returncode == 4
    assert "gone: nothing listens on its ssh port" in result.stderr
    assert remote.version() == "v1"
    one = remote.run("deploy", "core", "--tag", "v2", "--hosts", "vps1", **near)
    assert one.returncode == 0, one.stderr
    assert remote.version() == "v2"
