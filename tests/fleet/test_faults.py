"""What may go wrong in a deploy to several hosts: hosts that die, callers that are killed, connections that are cut."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.conftest import PROGRAM, Caller, events
from tests.support.wait import wait_until

pytestmark = [
    pytest.mark.engine, pytest.mark.proxy, pytest.mark.tools, pytest.mark.fleet, pytest.mark.xdist_group("fleet"),
]  # fmt: skip
ALL = ("vps1", "vps2", "vps3")


def _until(process: subprocess.Popen[str], wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Read a running deploy's events up to one."""
    told: list[dict[str, Any]] = []
    assert process.stdout is not None
    for line in process.stdout:
        told.append(json.loads(line))
        if wanted(told[-1]):
            return told
    raise AssertionError(f"it ended before: {told[-3:]}")


def _rest(process: subprocess.Popen[str]) -> tuple[list[dict[str, Any]], str]:
    out, err = process.communicate(timeout=150)
    return events(out), err


def _on(host: str, event: str) -> Callable[[dict[str, Any]], bool]:
    return lambda told: told.get("host") == host and told["event"] == event


def test_a_host_that_dies_stops_the_rollout_and_settles_itself_when_it_is_back(caller: Caller) -> None:
    for host in caller.config["hosts"].values():
        host["patience"] = "3s"
    caller.write()
    assert caller.deploy("v1").returncode == 0
    process = caller.start("deploy", "core", "--tag", "v2", "--json")
    _until(process, _on("vps2", "created"))
    caller.fleet["vps2"].kill()
    told, err = _rest(process)
    assert process.returncode == 4, err
    ended = next(event for event in told if event["event"] == "rollout-ended")
    assert ended["hosts"] == {"vps1": "done", "vps2": "unknown", "vps3": "waiting"}
    assert "bgmon -H vps2 deploy --resume" in err
    status = caller.run("status")
    assert status.returncode == 4
    assert [line.split()[0] for line in status.stdout.splitlines()[1:]] == ["vps1", "vps3"]
    caller.fleet["vps2"].start()
    caller.fleet["vps2"].wait()
    resumed = caller.run("-H", "vps2", "deploy", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert caller.versions() == {"vps1": "v2", "vps2": "v1", "vps3": "v1"}
    again = caller.deploy("v2")
    assert again.returncode == 0, again.stderr
    assert caller.versions() == dict.fromkeys(ALL, "v2")


@pytest.mark.parametrize("event", ["prepared", "created", "switched", "deployed"])
def test_a_caller_that_is_killed_leaves_whole_hosts_and_no_lock(caller: Caller, event: str) -> None:
    assert caller.deploy("v1").returncode == 0
    process = caller.start("deploy", "core", "--tag", "v2", "--json")
    told = _until(process, _on("vps1", event))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    attached = caller.run("deploy", "--attach", told[0]["rollout"], "--json")
    assert attached.returncode == 0, attached.stderr
    states = {one["host"]: one["state"] for one in events(attached.stdout) if one["event"] == "host"}
    begun = event != "prepared"
    if begun:
        assert states["vps1"] == "done"
        assert [one["event"] for one in events(attached.stdout) if one["event"] == "deployed"][:1] == ["deployed"]
    versions = caller.versions()
    assert versions == {host: "v2" if states[host] == "done" else "v1" for host in ALL}
    assert "v1" in versions.values()
    again = caller.deploy("v2", "--wait", "20s")
    assert again.returncode == 0, again.stderr
    assert caller.versions() == dict.fromkeys(ALL, "v2")


def test_a_connection_that_is_cut_does_not_end_the_deploy_and_its_true_end_is_told(caller: Caller) -> None:
    assert caller.deploy("v1").returncode == 0
    with caller.load("vps2") as load:
        process = caller.start("deploy", "core", "--tag", "v2", "--json")
        _until(process, _on("vps2", "created"))
        killed = caller.fleet["vps2"].run("pkill", "-KILL", "-f", "sshd: root@notty")
        assert killed.returncode == 0
        told, err = _rest(process)
        load.more(10)
    assert process.returncode == 0, err
    assert dict(load.failures) == {}
    mine = [event["event"] for event in told if event.get("host") == "vps2"]
    assert mine.count("deployed") == 1, "each event is told once, also over two connections"
    assert mine.count("switched") == 1
    history = [row for row in caller.ask("history")["deploys"] if row["host"] == "vps2"]
    assert [row["result"] for row in history] == ["deployed", "deployed"]


def test_a_network_that_is_gone_for_a_while(caller: Caller) -> None:
    assert caller.deploy("v1").returncode == 0
    process = caller.start("deploy", "core", "--tag", "v2", "--json")
    _until(process, _on("vps2", "created"))
    machine = caller.fleet["vps2"]
    machine.unplug()
    # It goes on to its end there, while nobody can see it.
    ended = "ls /var/lib/bgmon/jobs/*.deploy/exit | wc -l"
    wait_until(lambda: machine.run("sh", "-c", ended).stdout.strip() == "2", what="the deploy ends", timeout=60)
    machine.plug()
    _, err = _rest(process)
    assert process.returncode == 0, err
    assert caller.versions() == dict.fromkeys(ALL, "v2")


def test_two_callers_at_once_and_one_wins_on_every_host(caller: Caller) -> None:
    assert caller.deploy("v1").returncode == 0
    processes = [caller.start("deploy", "core", "--tag", tag, "--json") for tag in ("v2", "v5")]
    ends = [_rest(process) for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == [0, 3], [err for _, err in ends]
    winner = "v2" if processes[0].returncode == 0 else "v5"
    assert caller.versions() == dict.fromkeys(ALL, winner)
    loser = next(err for (_, err), process in zip(ends, processes, strict=True) if process.returncode)
    assert "core is being deployed to several hosts" in loser


def test_two_callers_who_wait_both_come_to_an_end(caller: Caller) -> None:
    assert caller.deploy("v1").returncode == 0
    caller.service(deploy__hosts={"parallel": 3})
    processes = [caller.start("deploy", "core", "--tag", tag, "--wait", "100s") for tag in ("v2", "v5")]
    ends = [process.communicate(timeout=150) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    assert len(set(caller.versions().values())) == 1


def test_all_or_nothing(caller: Caller) -> None:
    caller.service(health__start="3s", deploy__hosts={"on_failure": "rollback"})
    assert caller.deploy("v1").returncode == 0
    tag = caller.fleet["vps3"].run("docker", "tag", "bgmon-example/shop:never-healthy", "bgmon-example/shop:odd")
    assert tag.returncode == 0, tag.stderr
    for host in ("vps1", "vps2"):
        caller.fleet[host].run("docker", "tag", "bgmon-example/shop:v5", "bgmon-example/shop:odd")
    done = caller.deploy("odd", "--json")
    assert done.returncode == 1
    told = events(done.stdout)
    undone = [event["host"] for event in told if event["event"] == "host" and event["state"] == "undone"]
    assert undone == ["vps2", "vps1"]
    ended = next(event for event in told if event["event"] == "rollout-ended")
    assert ended["hosts"] == {"vps1": "undone", "vps2": "undone", "vps3": "failed"}
    assert caller.versions() == dict.fromkeys(ALL, "v1")


def test_ctrl_c_undoes_what_is_under_way(caller: Caller) -> None:
    assert caller.deploy("v1").returncode == 0
    caller.service(deploy__bake="60s")
    process = caller.start("deploy", "core", "--tag", "v2", "--json")
    _until(process, _on("vps1", "baking"))
    process.send_signal(signal.SIGINT)
    told, _ = _rest(process)
    assert process.returncode == 1
    assert next(event for event in told if event["event"] == "rollout-ended")["hosts"]["vps1"] == "failed"
    assert caller.versions() == dict.fromkeys(ALL, "v1")


def _old_bgmon(folder: Path, version: str) -> Path:
    """The program as it was in an earlier version."""
    import monitor

    source = Path(monitor.__file__).parent
    shutil.copytree(source, folder / "old" / "monitor", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "old" / "monitor" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    program = folder / "old-bgmon"
    python = PROGRAM.with_name("python")
    program.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/old exec {python} -P -m monitor "$@"\n')
    program.chmod(0o755)
    return program


def test_what_is_wrong_with_a_host_is_said_in_words_before_anything_is_changed(caller: Caller, tmp_path: Path) -> None:
    assert caller.deploy("v1").returncode == 0
    known = Path(caller.fleet.folder / "known_hosts").read_text().splitlines()
    addresses = [line.split()[0] for line in known]
    wrong, unknown = tmp_path / "wrong", tmp_path / "unknown"
    wrong.write_text("".join(f"{address} {known[0].partition(' ')[2]}\n" for address in addresses))
    unknown.write_text("")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "stranger")], check=True)
    ancient = tmp_path / "ancient"
    ancient.write_text("#!/bin/sh\necho 'Error: No such option: --protocol' >&2\nexit 2\n")
    ancient.chmod(0o755)
    good = dict(caller.config["hosts"]["vps2"])
    options: list[str] = good["options"]

    def with_file(path: Path) -> list[str]:
        return [f"UserKnownHostsFile={path}" if word.startswith("UserKnownHostsFile") else word for word in options]

    stranger = [str(tmp_path / "stranger") if word == str(caller.fleet.key) else word for word in options]
    for change, words, code in (
        ({"options": with_file(wrong)}, ["another one than the one that is known", "ssh-keygen -R"], 4),
        ({"options": with_file(unknown)}, ["its host key is not known here", "ssh-keyscan"], 4),
        ({"options": stranger}, ["does not accept the key", "authorized_keys"], 4),
        ({"program": "/nowhere/bgmon"}, ["there is no /nowhere/bgmon", "install bgmon"], 4),
        ({"program": str(_old_bgmon(tmp_path, "0.0.9"))}, ["it has bgmon 0.0.9", "pip install --upgrade bgmon=="], 2),
        ({"program": str(ancient)}, ["older than this one", "pip install --upgrade bgmon=="], 2),
    ):
        caller.config["hosts"]["vps2"] = {**good, **change}
        caller.write()
        done = caller.deploy("v2")
        assert done.returncode == code, (change, done.stderr)
        for word in words:
            assert word in done.stderr
    caller.config["hosts"]["vps2"] = {**good, "jump": f"root@{caller.fleet['vps1'].address}"}
    caller.write()
    assert caller.versions() == dict.fromkeys(ALL, "v1"), "nothing was changed, and vps2 answers through vps1"
