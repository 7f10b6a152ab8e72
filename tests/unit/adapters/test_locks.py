"""Locks that die with their holder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.adapters.host.locks import FileLocks
from monitor.errors import LockedError
from tests.support.wait import wait_until

HOLD = """\
import sys
from pathlib import Path
from monitor.adapters.host.locks import FileLocks
with FileLocks(Path(sys.argv[1])).acquire("core", wait=0, purpose="deploy of abc"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_second_one_fails_fast_and_says_who_holds_it(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with (
            pytest.raises(LockedError, match=rf"deploy of abc by .+ \(pid {process.pid}\)") as caught,
            FileLocks(tmp_path).acquire("core", wait=0, purpose="deploy of def"),
        ):
            pass
        assert caught.value.exit_code == 3
        assert FileLocks(tmp_path).held("core")
        assert not FileLocks(tmp_path).held("search")
    finally:
        end(process)


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    process = holder(tmp_path)
    end(process)
    locks = FileLocks(tmp_path)
    with locks.acquire("core", wait=0, purpose="deploy of def"):
        assert locks.held("core")
    assert not locks.held("core")


def test_waiting_ends_when_the_holder_lets_go(tmp_path: Path) -> None:
    process = holder(tmp_path)
    assert process.stdin is not None
    process.stdin.close()  # it ends by itself some moments later
    with FileLocks(tmp_path).acquire("core", wait=30, purpose="deploy of def"):
        pass
    assert process.wait() == 0
    assert process.stdout is not None
    process.stdout.close()


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    locks = FileLocks(tmp_path)
    with locks.acquire("core", wait=0, purpose="x"):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, close_fds=False
        )
    try:
        # The kernel may tell of the child's exec an instant before it has closed the child's copy of the lock.
        wait_until(lambda: not locks.held("core"), what="the child let go")
    finally:
        child.communicate()
