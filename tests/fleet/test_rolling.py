"""A deploy to three hosts, and what can be asked of all of them afterwards. Part of `make test`."""

from __future__ import annotations

import contextlib

import pytest

from tests.fleet.conftest import Caller, events

pytestmark = [pytest.mark.engine, pytest.mark.proxy, pytest.mark.tools, pytest.mark.xdist_group("fleet")]


def test_three_hosts_get_a_new_version_under_load_and_no_request_fails(caller: Caller) -> None:
    caller.service(deploy__hosts={"parallel": 2, "first": "vps2"})
    first = caller.deploy("v1")
    assert first.returncode == 0, first.stderr
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(caller.load(host)) for host in ("vps1", "vps2", "vps3")]
        second = caller.deploy("v2", "--json")
        for load in loads:
            load.more(20)
    assert second.returncode == 0, second.stderr
    assert [dict(load.failures) for load in loads] == [{}, {}, {}]
    assert [caller.answer(host) for host in ("vps1", "vps2", "vps3")] == ["v2"] * 3
    told = events(second.stdout)
    assert told[0]["waves"] == [["vps2"], ["vps1", "vps3"]]
    prepared = [number for number, event in enumerate(told) if event["event"] == "prepared"]
    switched = [(number, event["host"]) for number, event in enumerate(told) if event["event"] == "switched"]
    assert len(prepared) == 3
    assert max(prepared) < switched[0][0], "every host has the image before the first is switched"
    assert switched[0][1] == "vps2"
    assert sorted(host for _, host in switched) == ["vps1", "vps2", "vps3"]
    assert told[-1] == {**told[-1], "event": "rollout-ended", "ok": True}
    assert caller.versions() == dict.fromkeys(("vps1", "vps2", "vps3"), "v2")
    history = caller.ask("history")["deploys"]
    assert sorted((row["host"], row["version"]) for row in history) == [
        (host, version) for host in ("vps1", "vps2", "vps3") for version in ("v1", "v2")
    ]
    assert all(row["who"].startswith("ann@") for row in history)


@pytest.mark.fleet
def test_a_command_asks_all_hosts_and_one_that_is_silent_does_not_hide_the_others(caller: Caller) -> None:
    assert caller.deploy("v1").returncode == 0
    log = caller.run("logs", "core", "-n", "2", "-t")
    assert log.returncode == 0, log.stderr
    hosts, stamps = zip(*[line.replace("|", " ").split()[:2] for line in log.stdout.splitlines()], strict=True)
    assert set(hosts) == {"vps1", "vps2", "vps3"}
    assert list(stamps) == sorted(stamps)
    ran = caller.ask("exec", "core", "hostname")["hosts"]
    assert {host: found["exit"] for host, found in ran.items()} == dict.fromkeys(("vps1", "vps2", "vps3"), 0)
    on = caller.run("maintenance", "on", "core", "--hosts", "vps1,vps3")
    assert on.returncode == 0, on.stderr
    caller.config["hosts"]["vps2"]["ssh"] = "ssh://root@127.0.0.1:9"
    caller.write()
    status = caller.run("status")
    assert status.returncode == 4
    rows = [line.split() for line in status.stdout.splitlines()]
    assert rows[0][:2] == ["HOST", "SERVICE"]
    assert [(row[0], row[4]) for row in rows[1:]] == [("vps1", "maintenance"), ("vps3", "maintenance")]
    assert "no answer: vps2: nothing listens on its ssh port" in status.stderr
    document = caller.ask("status")
    assert document["hosts"]["vps2"]["exit"] == 4
    assert [row["host"] for row in document["services"]] == ["vps1", "vps3"]
    unknown = caller.run("history", "--hosts", "vps9")
    assert unknown.returncode == 2
    assert "known: vps1, vps2, vps3" in unknown.stderr


@pytest.mark.fleet
def test_each_command_answers_for_every_host(caller: Caller) -> None:
    assert caller.deploy("v1").returncode == 0
    for command in (
        "doctor", "prune --dry-run", "silence core --for 1h", "silence", "incidents", "history", "metrics",
        "restart core", "rollback core --dry-run", "stop core", "start core",
    ):  # fmt: skip
        name, *rest = command.split()
        done = caller.run(name, "--json", *rest)
        assert [host for host in ("vps1", "vps2", "vps3") if host in done.stdout] == ["vps1", "vps2", "vps3"], done
        assert "Traceback" not in done.stderr
        assert "no answer" not in done.stderr
