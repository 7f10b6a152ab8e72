"""The project's own hooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.adapters.host.hooks import HookFolder
from monitor.errors import HookFailed
from tests.support.wait import wait_until


def hooks(folder: Path, script: str, mode: int = 0o755) -> HookFolder:
    (folder / "pre-switch").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pre-switch").chmod(mode)
    return HookFolder(folder, folder)


def test_a_hook_gets_its_variables_and_its_output_comes_back(tmp_path: Path) -> None:
    run = hooks(tmp_path, 'echo "$BGMON_URL in $PWD"').run("pre-switch", {"BGMON_URL": "http://x"}, timeout=10)
    assert run == f"http://x in {tmp_path}\n"


def test_a_missing_hook_is_none(tmp_path: Path) -> None:
    assert HookFolder(tmp_path, tmp_path).run("pre-switch", {}, timeout=10) is None


def test_a_failing_hook_shows_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(HookFailed, match=r"exit code 3\n  \| no good"):
        hooks(tmp_path, "echo no good; exit 3").run("pre-switch", {}, timeout=10)


def test_a_hook_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    with pytest.raises(HookFailed, match="did not end within 0.2 s"):
        hooks(tmp_path, f"sleep 600 & echo $! > {tmp_path}/child; wait").run("pre-switch", {}, timeout=0.2)
    child = (tmp_path / "child").read_text().strip()
    state = Path(f"/proc/{child}/stat")
    wait_until(lambda: _ended(state))
    assert _ended(state)


def _ended(stat: Path) -> bool:
    try:
        return stat.read_text().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_hook_that_cannot_be_run_is_found_beforehand(tmp_path: Path) -> None:
    folder = hooks(tmp_path, "true", mode=0o644)
    assert folder.check() == [f"{tmp_path}/pre-switch is not executable: chmod +x {tmp_path}/pre-switch"]
    with pytest.raises(HookFailed, match="could not be started"):
        folder.run("pre-switch", {}, timeout=10)
