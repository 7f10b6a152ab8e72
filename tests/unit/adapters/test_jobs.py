"""Jobs that outlive their callers, and those that do not."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from monitor.adapters.host.jobs import Jobs, run_attached
from tests.support.wait import wait_until


def _followed(jobs: Jobs, job: str, out: int = 0) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    jobs.follow(job, out, 0, lambda **content: told.append(content))
    return told


def _write(text: str) -> int:
    os.write(1, text.encode())
    return 0


def test_a_job_runs_once_and_tells_its_end_as_often_as_it_is_asked(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs")
    assert jobs.start("a", lambda: _write("one\ntwo\n") + 7)
    assert not jobs.start("a", lambda: _write("never"))
    expected = [{"out": "one\n", "at": 4}, {"out": "two\n", "at": 8}, {"exit": 7}]
    assert _followed(jobs, "a") == expected
    assert _followed(jobs, "a", 4) == expected[1:]
    assert _followed(jobs, "b") == [{"exit": None, "unknown": True}]


def test_a_job_that_is_killed_has_no_exit_code(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs")

    def wait() -> int:
        _write("begun\n")
        time.sleep(60)
        return 0

    jobs.start("a", wait)
    pid = int(wait_until(lambda: (tmp_path / "jobs/a/pid").exists() and (tmp_path / "jobs/a/pid").read_text()))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert _followed(jobs, "a")[-1] == {"exit": None}
    assert not jobs.cancel("a")


def test_a_job_is_asked_to_come_to_an_end(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs")

    def until_asked() -> int:
        asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: asked.set())
        _write("ready\n")
        return 5 if asked.wait(60) else 1

    jobs.start("a", until_asked)
    wait_until(lambda: (tmp_path / "jobs/a/out").read_text() == "ready\n")
    assert jobs.cancel("a")
    assert _followed(jobs, "a")[-1] == {"exit": 5}


def test_an_exception_is_in_the_output_and_the_exit_code_1(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs")
    jobs.start("a", lambda: sys.exit("nothing works"))
    told = _followed(jobs, "a")
    assert told[-1] == {"exit": 1}


def test_an_attached_command_ends_with_its_caller() -> None:
    told: list[dict[str, Any]] = []
    near, far = os.pipe()

    def hang_up(**content: Any) -> None:
        told.append(content)
        if "out" in content:
            os.close(far)

    def wait() -> int:
        os.close(far)  # a caller is not among its own commands
        _write("begun\n")
        time.sleep(60)
        return 0

    run_attached(wait, near, hang_up)
    os.close(near)
    assert told == [{"out": "begun\n"}, {"exit": -signal.SIGTERM}]
