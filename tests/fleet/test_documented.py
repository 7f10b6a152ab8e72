"""Every command of docs/hosts.md, as it is written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.fleet.conftest import Caller

pytestmark = [
    pytest.mark.engine, pytest.mark.proxy, pytest.mark.tools, pytest.mark.fleet, pytest.mark.xdist_group("fleet"),
]  # fmt: skip
PAGE = Path(__file__).parents[2] / "docs" / "hosts.md"


def test_the_page_takes_a_reader_from_three_machines_to_a_rolling_deploy(caller: Caller) -> None:
    caller.service(
        internal="core.shop.internal:3000",
        logs={"source": "app", "format": "json"},
        deploy__hosts={"parallel": 2, "first": "vps1", "bake": "2s", "pause": "1s", "on_failure": "rollback"},
    )
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    commands = [shlex.split(line, comments=True)[1:] for block in blocks for line in block.splitlines()]
    assert len(commands) > 15
    for command in commands:
        done = caller.run(*command)
        # No record points at these machines, and a doctor may find this machine wanting: they still have to answer.
        expected = {0, 1} if command[:2] == ["dns", "check"] or command[0] == "doctor" else {0}
        assert done.returncode in expected, (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
    assert caller.versions() == dict.fromkeys(("vps1", "vps2", "vps3"), "v1"), "the last change was a rollback"
