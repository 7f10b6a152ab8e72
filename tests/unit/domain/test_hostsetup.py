"""What a machine says of itself, and what that means for bgmon."""

from __future__ import annotations

import shlex

import pytest

from monitor.domain.hostsetup import HostFacts, environment_lines, facts, unfit

SAID = """system=ubuntu
family=debian
release="24.04"
machine=x86_64
libc=glibc 2.39
user=deploy
uid=1000
home=/home/deploy
state=/home/deploy/.local/state/bgmon
systemd=yes
python=3.12.3
bgmon=bgmon, version 0.1.0
Last login: today
"""


def test_the_facts_are_read() -> None:
    found = facts(SAID)
    assert (found.system, found.release, found.libc, found.uid) == ("ubuntu", "24.04", "2.39", 1000)
    assert (found.systemd, found.python, found.bgmon) == (True, "3.12.3", "0.1.0")
    assert found.has_apt
    assert not found.is_root
    assert unfit(found) == ""


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (HostFacts(), "what system"),
        (HostFacts(system="debian", uid=0, python="3.9.2"), "3.9.2"),
        (HostFacts(system="ubuntu", uid=0, python="3.10.12"), "3.11"),
    ],
)
def test_some_machines_cannot_be_hosts(found: HostFacts, word: str) -> None:
    assert word in unfit(found)


def test_a_bare_machine_without_python_can_be_one() -> None:
    assert unfit(HostFacts(system="debian", uid=0)) == ""


def test_variables_mean_the_same_to_systemd_and_to_us() -> None:
    value = """a "quoted" back\\slash, a $dollar, `ticks` and 'single'"""
    name, _, read = shlex.split(environment_lines({"URL": value}))[0].partition("=")
    assert (name, read) == ("URL", value)
