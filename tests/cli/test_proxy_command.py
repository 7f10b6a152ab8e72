"""`bgmon proxy`, as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.proxy


@pytest.fixture
def folder(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Path]:
    (tmp_path / "bgmon.yml").write_text(
        f"""
project: p
state: {{dir: state}}
proxy: {{run: process, listen: ["127.0.0.1:{free_port()}"]}}
services:
  core: {{image: x, port: 3000, route: {{host: core.test}}}}
  worker: {{image: x}}
"""
    )
    yield tmp_path
    bgmon(tmp_path, "remove", "--yes")


def bgmon(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "BGMON_STATE_DIR"}
    return subprocess.run(
        [sys.executable, "-m", "monitor", "proxy", *arguments],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_its_life(folder: Path) -> None:
    """Not running, booted, booted again, reloaded, removed; exit code 4 while it does not run."""
    down = bgmon(folder, "status", "--json")
    assert down.returncode == 4
    assert json.JSONDecoder().raw_decode(down.stdout)[0]["running"] is False

    assert json.loads(bgmon(folder, "boot", "--json").stdout)["proxy"] == "started"
    assert json.loads(bgmon(folder, "boot", "--json").stdout)["proxy"] == "running"
    status = json.loads(bgmon(folder, "status", "--json").stdout)
    assert (status["running"], status["services"]) == (True, ["core"])
    assert status["slots"]["core"]["blue"] == {
        "color": "blue", "state": "maint", "weight": 100, "port": 1, "sessions": 0, "address": "127.0.0.1",
    }  # fmt: skip
    assert "core: blue maint" in bgmon(folder, "status").stdout
    assert json.loads(bgmon(folder, "reload", "--json").stdout)["proxy"] == "reloaded"
    assert json.loads(bgmon(folder, "remove", "--json").stdout) == {"proxy": "removed"}
    assert bgmon(folder, "status").returncode == 4
    assert not (folder / "state" / "p" / "proxy").exists()


def test_a_dry_run_prints_the_configuration(folder: Path) -> None:
    printed = bgmon(folder, "boot", "--dry-run")
    assert "\nbackend core\n" in printed.stdout
    assert "worker" not in printed.stdout
    assert not (folder / "state" / "p" / "proxy").exists()
    assert "backend core" in json.loads(bgmon(folder, "reload", "--dry-run", "--json").stdout)["config"]
