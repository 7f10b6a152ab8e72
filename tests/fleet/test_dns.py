"""Private names, asked for on every host."""

from __future__ import annotations

import json

import pytest

from tests.fleet.conftest import Caller

pytestmark = [
    pytest.mark.engine, pytest.mark.proxy, pytest.mark.tools, pytest.mark.fleet, pytest.mark.xdist_group("fleet"),
]  # fmt: skip


def test_every_host_is_asked_and_one_with_a_stale_record_is_named(caller: Caller) -> None:
    caller.service(internal="core.fleet.internal:3000", hosts=["vps1", "vps2"])
    lines = caller.run("dns", "hosts")
    assert lines.returncode == 0, lines.stderr
    before = {machine.name: machine.run("cat", "/etc/hosts").stdout for machine in caller.fleet.machines}
    try:
        for machine in caller.fleet.machines:
            machine.write("/etc/hosts", before[machine.name] + lines.stdout)
        fine = caller.run("dns", "check")
        assert fine.returncode == 0, fine.stdout + fine.stderr
        rebuilt = lines.stdout.replace(caller.fleet["vps1"].address, "10.255.0.9")
        caller.fleet["vps2"].write("/etc/hosts", before["vps2"] + rebuilt)
        stale = caller.run("dns", "check", "--hosts", "all", "--json")
        assert stale.returncode == 1
        rows = {row["host"]: row["problem"] for row in json.loads(stale.stdout)["names"]}
        assert rows["vps1"] == ""
        assert "points at 10.255.0.9, which is none of its hosts" in rows["vps2"]
    finally:
        for machine in caller.fleet.machines:
            machine.write("/etc/hosts", before[machine.name])
