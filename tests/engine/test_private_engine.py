"""tools/engine.py: an engine that touches no other, comes back with its containers, and leaves no trace."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.private_engine import ROOT, PrivateEngine
from tests.support.wait import wait_until
from tools import engine, images

pytestmark = [pytest.mark.engine, pytest.mark.private_engine, pytest.mark.xdist_group("private_engine")]


def _devices(root: Path) -> set[str]:
    """Network devices but for those of containers, of other engines and of fleets: they come and go with other tests."""
    found = {path.name for path in Path("/sys/class/net").iterdir()}
    others = {name for name in found if name.startswith("bgm") and name != f"bgm{engine.identity(root)}"}
    others |= {name for name in found if re.match(r"bf[0-9a-f]{6}", name)}
    return {name for name in found - others if not name.startswith(("veth", "br-"))}


def _refuses(url: str) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(url.removeprefix("unix://")) == errno.ECONNREFUSED


def test_containers_come_back_with_the_engine_as_after_a_reboot(private_engine: PrivateEngine) -> None:
    image = images.busybox(private_engine.client)
    container = private_engine.client.containers.run(
        image, ["sleep", "600"], detach=True, init=True, restart_policy={"Name": "unless-stopped"}
    )
    private_engine.restart()
    wait_until(lambda: private_engine.client.containers.get(container.id).status == "running")
    container.remove(force=True)


def test_a_killed_engine_starts_again(private_engine: PrivateEngine) -> None:
    """What becomes of its containers is Docker's affair: 20.10 sometimes leaves them exited."""
    private_engine.kill()
    wait_until(lambda: _refuses(private_engine.url), what="nobody listens")
    private_engine.start()
    assert private_engine.client.ping()


def test_the_last_user_ends_the_engine_and_leaves_no_device_mount_or_process(tmp_path: Path) -> None:
    before = _devices(tmp_path)
    script = tmp_path / "tools" / "engine.py"
    script.parent.mkdir()
    for name in ("engine.py", "suites.py"):
        (script.parent / name).write_bytes((ROOT / "tools" / name).read_bytes())
    environ = {**os.environ, "BGMON_PRIVATE_ENGINE_ONLY": "1"}
    environ.pop("DOCKER_HOST", None)
    ask = (
        "import docker, json, os, sys; client = docker.DockerClient(base_url=os.environ['DOCKER_HOST']);"
        "print(json.dumps(client.info()['DockerRootDir'])); client.close(); sys.exit(7)"
    )
    done = subprocess.run(
        [sys.executable, script, "run", "--", sys.executable, "-c", ask],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert json.loads(done.stdout) == str(tmp_path / ".engine" / "data")
    assert _devices(tmp_path) == before
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert not (tmp_path / ".engine" / "docker.pid").exists()


def test_a_given_engine_that_does_not_answer_is_named(tmp_path: Path) -> None:
    environ = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "engine.py", "up"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"no engine answers at DOCKER_HOST=unix://{tmp_path}/none.sock" in done.stderr
