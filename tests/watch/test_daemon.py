"""`bgmon watch` itself, beside real deploys, a real proxy and a chat on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from monitor.domain.containers import Container
from monitor.errors import BgmonError
from tests.support.chat import Chat
from tests.support.stage import Stage, make_stage
from tests.support.wait import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.proxy]


@pytest.fixture
def chat() -> Iterator[Chat]:
    made = Chat()
    yield made
    made.close()


@pytest.fixture
def stage(  # noqa: PLR0917 - fixtures
    tmp_path: Path, project: str, shop_image: str, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch,
    chat: Chat,
) -> Iterator[Stage]:  # fmt: skip
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    made = make_stage(tmp_path, project, free_port, low=random.randrange(22000, 29000, 250))
    made.config["watch"] = {"listen": f"127.0.0.1:{free_port()}", "reconcile": "2s"}
    made.config["notify"] = {"urls": [chat.url], "group": "0s"}
    made.service(deploy__bake="0s")
    yield made
    with contextlib.suppress(BgmonError):
        made.app().proxy.remove()
    made.close()


@contextlib.contextmanager
def daemon(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    """The command, running; it has to end well on SIGTERM."""
    with (stage.folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "watch", "-v"], cwd=stage.folder, env=stage.environ, stderr=log
        )
    try:
        wait_until(lambda: state(stage) in ("healthy", "starting"), what="the daemon answers")
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def status(stage: Stage) -> dict[str, Any]:
    address = stage.config["watch"]["listen"]
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/status", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return {}


def service(stage: Stage) -> dict[str, Any]:
    services: list[dict[str, Any]] = status(stage).get("services", [])
    return next((one for one in services if one["name"] == "core"), {})


def state(stage: Stage) -> str:
    return str(service(stage).get("state", ""))


def container(stage: Stage) -> Container:
    app = stage.app()
    release = app.store.active("core")
    assert release is not None
    found = app.engine.inspect(release.container)
    assert found is not None
    app.close()
    return found


def said(chat: Chat) -> str:
    return "\n".join(json.dumps(request.body) for request in chat.received)


def test_the_daemon_heals_and_tells(stage: Stage, chat: Chat, docker_client: docker.DockerClient) -> None:
    stage.deploy("v1", pull="never")
    with daemon(stage) as process:
        wait_until(lambda: state(stage) == "healthy", what="core is healthy")
        died = time.time()
        os.kill(container(stage).pid, signal.SIGKILL)
        wait_until(lambda: "killed by SIGKILL" in said(chat), what="the chat is told")
        assert chat.received[0].at - died < 5
        wait_until(lambda: "healthy again" in said(chat), what="the chat is told that it is over")
        assert stage.version() == "v1"

        docker_client.containers.get(container(stage).id).remove(force=True)
        wait_until(lambda: "its container was removed" in said(chat), what="the chat is told of the removal")
        wait_until(lambda: state(stage) == "healthy" and stage.answer()[0] == 200, what="it is created again")

        stage.config["services"]["core"]["heal"] = "off"
        stage.write()
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "read again" in (stage.folder / "daemon.log").read_text(), what="a reload")
    shown = json.loads(stage.run("incidents", "--json", check=True).stdout)["incidents"]
    assert [incident["kind"] for incident in shown] == ["missing", "exited"]
    assert all(incident["ended_at"] for incident in shown)
    assert "deployed" in shown[1]["detail"]


def test_a_crash_loop_after_a_deploy_goes_back_to_the_last_good_version(stage: Stage, chat: Chat) -> None:
    stage.deploy("v1", pull="never")
    stage.service(env={"EXIT_AFTER": "1.5s"})
    with daemon(stage):
        stage.deploy("v2", pull="never")
        wait_until(lambda: _last_deploy(stage) == ("rollback", "deployed"), what="a rollback", timeout=60)
        wait_until(lambda: service(stage).get("version") == "v1", what="the daemon knows")
        wait_until(lambda: state(stage) == "healthy", what="core is healthy")
        assert stage.version() == "v1"
        wait_until(lambda: "rolled back to v1" in said(chat), what="the chat is told")


def _last_deploy(stage: Stage) -> tuple[str, str | None]:
    app = stage.app()
    record = app.store.deploys("core")[0]
    app.close()
    return record.kind, record.result


def test_a_dead_proxy_is_started_again(stage: Stage, chat: Chat) -> None:
    stage.deploy("v1", pull="never")
    with daemon(stage):
        wait_until(lambda: state(stage) == "healthy", what="core is healthy")
        for pid in _haproxies(stage):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: _answers(stage), what="the proxy answers again", timeout=40)
        wait_until(lambda: "the proxy is down" in said(chat), what="the chat is told")


def _haproxies(stage: Stage) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit():
                command = (process / "cmdline").read_bytes()
                if b"haproxy" in command and str(stage.folder).encode() in command:
                    found.append(int(process.name))
    return found


def _answers(stage: Stage) -> bool:
    try:
        return stage.answer()[0] == 200
    except OSError:
        return False


def test_one_round_heals_verifies_and_says_what_is_wrong(stage: Stage, docker_client: docker.DockerClient) -> None:
    stage.deploy("v1", pull="never")
    calm = stage.run("watch", "--once", "--json")
    assert calm.returncode == 0, calm.stderr
    assert json.loads(calm.stdout)["services"][0]["state"] == "healthy"

    docker_client.containers.get(container(stage).id).remove(force=True)
    removed = stage.run("watch", "--once")
    assert "missing" in removed.stdout  # a moment is left to whoever removed it
    assert removed.returncode == 1
    wait_until(lambda: stage.run("watch", "--once").returncode == 0, what="that moment is over")
    mended = stage.run("watch", "--once", "--json")
    assert json.loads(mended.stdout)["services"][0]["state"] == "healthy", mended.stderr
    assert mended.returncode == 0
    assert stage.version() == "v1"
    assert stage.app().watch_store.incidents()[0].kind == "missing"
    assert stage.run("top", "--once", check=True).stdout.count("core") == 1


def test_a_cut_off_deploy_is_settled_at_the_start(stage: Stage) -> None:
    stage.deploy("v1", pull="never")
    app = stage.app()
    from monitor.domain.deploy.records import DeployRecord

    app.store.begin(DeployRecord("core-cut", "core", "deploy", "bgmon-example/shop:v2", "v2", "test", time.time()))
    with daemon(stage):
        wait_until(lambda: not app.store.unfinished(), what="the deploy is settled")
    assert stage.version() == "v1"


def test_a_wrong_configuration_changes_nothing_and_is_told(stage: Stage, chat: Chat) -> None:
    stage.deploy("v1", pull="never")
    with daemon(stage):
        wait_until(lambda: state(stage) == "healthy", what="core is healthy")
        good = (stage.folder / "bgmon.yml").read_text()
        (stage.folder / "bgmon.yml").write_text(good.replace("services:", "servces:"))
        wait_until(lambda: "the former one stays in force" in said(chat), what="the chat is told")
        assert state(stage) == "healthy"
        (stage.folder / "bgmon.yml").write_text(good)
        wait_until(lambda: "bgmon.yml is read again" in said(chat), what="the chat is told that it is over")
