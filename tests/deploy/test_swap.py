"""Whole swaps on a real engine behind a real HAProxy, under load."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
import yaml

from monitor.domain.names import LABEL_PROJECT, LABEL_SERVICE
from monitor.errors import BakeFailed, GateFailed, HookFailed
from tests.support.stage import Stage
from tests.support.wait import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.proxy]


ENV = ("python3", "-c", "import os; print(dict(os.environ))")


def names(stage: Stage) -> list[str]:
    return [event.event for event in stage.events]


def test_a_first_deploy_serves_and_is_recorded(stage: Stage) -> None:
    release = stage.deploy("v1")
    assert stage.version() == "v1"
    assert (release.color, release.version, release.active) == ("blue", "v1", True)
    assert stage.containers() == {f"{stage.project}-core-blue": "v1"}
    record = stage.app().store.deploys("core")[0]
    assert (record.result, record.kind) == ("deployed", "deploy")
    assert {"preflight", "pull", "start", "gate", "switch", "drain", "stop", "total"} <= set(record.timings)


def test_a_process_sees_its_variables_letter_by_letter(stage: Stage) -> None:
    text = (stage.folder / "bgmon.yml").read_text()
    core = yaml.safe_load(text)["services"]["core"]
    values = {
        "V": "1.10",
        "ZIP": "01234",
        "OCTAL": "0o17",
        "HEX": "0x1F",
        "EXP": "1e3",
        "ON": "True",
        "TIME": "12:30:00",
    }
    stage.service(env={**core.get("env", {}), **{name: f"<{value}>" for name, value in values.items()}})
    file = stage.folder / "bgmon.yml"
    written = file.read_text()
    for value in values.values():
        written = written.replace(f"<{value}>", value)  # as a person writes it: no quotes
    file.write_text(written)
    assert "V: 1.10\n" in written
    stage.deploy("v1")
    code, out = stage.app().engine.exec(f"{stage.project}-core-blue", ENV)
    seen = ast.literal_eval(out.decode())
    assert code == 0
    assert {name: seen[name] for name in values} == values


def test_swaps_under_load_lose_no_request_and_reload_no_proxy(stage: Stage) -> None:
    stage.deploy("v1")
    since = stage.app().proxy.status().since
    with stage.load() as load:
        stage.deploy("v2")
        assert stage.version() == "v2"
        stage.deploy("v5")
        assert stage.version() == "v5"
    assert load.failures == []
    assert load.requests > 100
    assert stage.containers() == {f"{stage.project}-core-blue": "v5"}
    assert stage.app().proxy.status().since == since


def test_a_release_that_never_gets_healthy_is_refused_and_explained(stage: Stage) -> None:
    stage.deploy("v1")
    stage.service(health__start="1s")
    with stage.load() as load, pytest.raises(GateFailed) as caught:
        stage.deploy("never-healthy")
    assert load.failures == []
    message = str(caught.value)
    assert "no 2 good answers in a row from /health within 1 s" in message
    assert "503 in" in message
    assert "its last log lines" in message
    assert stage.version() == "v1"
    assert stage.containers() == {f"{stage.project}-core-blue": "v1"}
    assert stage.app().store.deploys("core")[0].result == "failed"


def test_a_release_that_exits_fails_at_once(stage: Stage) -> None:
    stage.deploy("v1")
    with pytest.raises(GateFailed, match="exited with code 3"):
        stage.deploy("exits")
    assert stage.version() == "v1"


def test_a_release_that_turns_bad_is_switched_back_in_the_bake(stage: Stage) -> None:
    stage.deploy("v1")
    stage.service(deploy__bake="20s")
    with stage.load(), pytest.raises(BakeFailed, match=r"errors \(\d+ of \d+ requests\), 0.0% before the swap"):
        stage.deploy("turns-bad")
    assert stage.version() == "v1"
    assert stage.containers() == {f"{stage.project}-core-blue": "v1"}
    record = stage.app().store.deploys("core")[0]
    assert record.result == "switched-back"
    assert "switched-back" in names(stage)


def test_a_release_whose_worker_runs_out_of_memory_is_switched_back_in_the_bake(stage: Stage) -> None:
    """Its own health is good throughout: only the kernel's count says that it does not fit its limit."""
    stage.deploy("v1")
    # It asks to be the one that goes: else the kernel's choice is now and then the first process, and the container.
    wish = "echo 1000 > /proc/self/oom_score_adj; exec tail /dev/zero"
    greedy = f"(until [ -e /tmp/greedy ]; do sleep 0.1; done; {wish}) & exec python3 /app/app.py"
    stage.service(deploy__bake="20s", docker={"entrypoint": ["sh", "-c", greedy]}, limits={"memory": "64m"})
    hooks = stage.folder / ".bgmon" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "pre-switch").write_text(
        '#!/bin/sh\ndocker exec -d "$BGMON_CONTAINER" sh -c "sleep 1; touch /tmp/greedy"\n'
    )
    (hooks / "pre-switch").chmod(0o755)
    with stage.load(), pytest.raises(BakeFailed, match=r"the kernel killed a process in it for want of memory"):
        stage.deploy("v2")
    assert stage.version() == "v1"


def test_a_green_that_dies_while_blue_drains_gives_the_traffic_back(stage: Stage) -> None:
    """Blue is stopped only after a last look at green, however long its requests took."""
    stage.deploy("v1")
    stage.service(deploy__bake=0)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(stage.answer, "/slow?ms=3000")
        wait_until(lambda: stage.app().proxy.slots("core")["blue"].sessions == 1, what="it is under way")
        deploying = pool.submit(stage.deploy, "v2")
        wait_until(lambda: names(stage).count("switched") == 2, what="the switch")
        stage.app().engine.kill(f"{stage.project}-core-green")
        with pytest.raises(BakeFailed, match="exited with code 137"):
            deploying.result()
        assert slow.result()[0] == 200
    assert stage.version() == "v1"
    assert stage.containers() == {f"{stage.project}-core-blue": "v1"}
    assert stage.app().store.deploys("core")[0].result == "switched-back"


def test_a_service_that_loses_its_port_finishes_its_requests_and_leaves_the_proxy(stage: Stage) -> None:
    stage.deploy("v1")
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(stage.answer, "/slow?ms=1500")
        wait_until(lambda: stage.app().proxy.slots("core")["blue"].sessions == 1, what="it is under way")
        stage.take_port()
        app = stage.app()
        app.proxy.save_config(app.routes())  # as any other command may, meanwhile
        assert stage.version() == "v1"
        release = stage.deploy("v2")
        assert slow.result()[0] == 200
    assert release.port is None
    assert stage.app().store.slots("core") == {}
    assert stage.app().proxy.status().services == ()
    assert stage.containers() == {f"{stage.project}-core-green": "v2"}


def test_canary_steps_send_a_share_and_then_all(stage: Stage) -> None:
    stage.deploy("v1")
    stage.service(deploy__canary=[{"weight": 25, "for": "1s"}, {"weight": 75, "for": "1s"}])
    with stage.load() as load:
        stage.deploy("v2")
    assert load.failures == []
    assert [event.data["weight"] for event in stage.events if event.event == "canary"] == [25, 75]
    assert stage.version() == "v2"


def test_a_bad_canary_never_gets_all_the_traffic(stage: Stage) -> None:
    stage.deploy("v1")
    stage.service(deploy__canary=[{"weight": 30, "for": "20s"}])
    with stage.load(), pytest.raises(BakeFailed, match="canary at 30%"):
        stage.deploy("turns-bad")
    assert "switched" not in names(stage)[names(stage).index("canary") :]
    assert stage.version() == "v1"


def test_a_smoke_hook_meets_green_before_any_user_and_can_refuse_it(stage: Stage) -> None:
    stage.deploy("v1")
    hooks = stage.folder / ".bgmon" / "hooks"
    hooks.mkdir(parents=True)
    seen = stage.folder / "seen"
    for name, body in {
        "pre-switch": f"python3 -c \"import os,urllib.request; print(urllib.request.urlopen(os.environ['BGMON_URL']+'/version').read().decode())\" > {seen}\ntest \"$BGMON_VERSION\" != v5",
        "on-failure": f'echo "$BGMON_ERROR" > {seen}.failure',
        "post-deploy": f'echo "$BGMON_PREVIOUS_VERSION to $BGMON_VERSION" > {seen}.done',
    }.items():
        (hooks / name).write_text(f"#!/bin/sh\n{body}\n")
        (hooks / name).chmod(0o755)
    stage.deploy("v2")
    assert "v2" in seen.read_text()
    assert (stage.folder / "seen.done").read_text() == "v1 to v2\n"
    with stage.load() as load, pytest.raises(HookFailed, match="exit code 1"):
        stage.deploy("v5")
    assert load.failures == []
    assert stage.version() == "v2"
    assert "pre-switch" in (stage.folder / "seen.failure").read_text()


def test_a_rollback_brings_back_the_image_the_settings_and_the_secrets(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.service(env={"SERVICE": "old"}, secrets=["SHOP_SECRET"])
    monkeypatch.setenv("SHOP_SECRET", "first-secret-value")
    stage.deploy("v1")
    stage.service(env={"SERVICE": "new"})
    monkeypatch.setenv("SHOP_SECRET", "second-secret-value")
    stage.deploy("v2")
    with stage.load() as load:
        result = stage.run("rollback", "core", "--json")
    assert result.returncode == 0, result.stderr
    assert load.failures == []
    assert stage.version() == "v1"
    code, out = stage.app().engine.exec(f"{stage.project}-core-blue", ENV)
    assert code == 0
    assert b"'SERVICE': 'old'" in out
    assert b"first-secret-value" in out
    kept = stage.folder / "state" / stage.project
    assert "secret-value" not in result.stdout + result.stderr
    assert b"secret-value" not in b"".join(path.read_bytes() for path in kept.glob("state.db*"))


def test_an_image_with_a_healthcheck_is_judged_by_it(stage: Stage) -> None:
    core = stage.service()
    del core["health"]["path"]
    stage.write()
    stage.deploy("healthcheck")
    assert stage.version() == "healthcheck"


def test_a_worker_without_a_port_is_swapped_without_a_proxy(stage: Stage) -> None:
    stage.config["services"]["worker"] = {
        "image": "bgmon-example/shop", "command": ["worker"], "health": {"mode": "running", "settle": "300ms"},
        "deploy": {"bake": "300ms", "stop": "1s"},
    }  # fmt: skip
    stage.write()
    stage.deploy("v1", "worker")
    stage.deploy("v2", "worker")
    assert stage.containers() == {f"{stage.project}-worker-green": "v2"}


def test_services_find_each_other_by_name(stage: Stage) -> None:
    stage.config["services"]["search"] = {
        "image": "bgmon-example/shop", "port": 3000, "health": {"path": "/health", "interval": "200ms"},
        "deploy": {"bake": 0, "drain": "1s", "stop": "1s"},
    }  # fmt: skip
    stage.write()
    stage.deploy("v1")
    stage.deploy("v1", "search")
    stage.deploy("v2", "search")
    ask = (
        "import urllib.request; print(urllib.request.urlopen('http://search:3000/version', timeout=5).read().decode())"
    )
    code, out = stage.app().engine.exec(f"{stage.project}-core-blue", ("python3", "-c", ask))
    assert code == 0, out
    assert b"v2" in out


def test_limits_logs_and_options_reach_the_container(stage: Stage, docker_client: docker.DockerClient) -> None:
    stage.service(
        limits={"memory": "64m", "cpus": 0.5, "pids": 50}, user="1000", read_only=True, init=True,
        log_files={"max_size": "1m", "max_files": 2}, volumes=[f"{stage.project}-data:/data"],
        docker={"cap_drop": ["ALL"], "tmpfs": {"/tmp": "size=1m"}, "labels": {"team": "shop"}},
    )  # fmt: skip
    stage.deploy("v1")
    attributes = docker_client.containers.get(f"{stage.project}-core-blue").attrs
    host = attributes["HostConfig"]
    assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (64 * 1024**2, 500_000_000, 50)
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1048576", "max-file": "2"}}
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert (host["ReadonlyRootfs"], host["Init"], host["CapDrop"]) == (True, True, ["ALL"])
    assert attributes["Config"]["User"] == "1000"
    assert attributes["Config"]["Labels"]["team"] == "shop"
    assert attributes["Config"]["Labels"][LABEL_PROJECT] == stage.project
    assert attributes["Config"]["Labels"][LABEL_SERVICE] == "core"
    assert host["PortBindings"] in (None, {})


def test_a_published_port_is_on_loopback(stage: Stage, docker_client: docker.DockerClient) -> None:
    stage.config["proxy"]["reach"] = "port"
    stage.write()
    release = stage.deploy("v1")
    host = docker_client.containers.get(release.container).attrs["HostConfig"]
    assert host["PortBindings"] == {"3000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(release.port)}]}
    assert stage.version() == "v1"


def test_four_services_deploy_side_by_side(stage: Stage) -> None:
    section = {
        "image": "bgmon-example/shop",
        "port": 3000,
        "health": {"path": "/health"},
        "deploy": {"bake": 0, "stop": "1s"},
    }
    for name in ("a", "b", "c", "d"):
        stage.config["services"][name] = {**section, "route": {"host": f"{name}.test", "path": "/"}}
    stage.write()
    result = stage.run("deploy", "a", "b", "c", "d", "--tag", "v1", "--json")
    assert result.returncode == 0, result.stderr + result.stdout
    for name in ("a", "b", "c", "d"):
        assert stage.answer(Host=f"{name}.test")[0] == 200
