"""The demo's account of requests, held against a server whose answers are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.wait import wait_until
from tools.load import Load

APP = Path(__file__).resolve().parents[3] / "examples" / "shop" / "app.py"


def _get(port: int, path: str = "/health") -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except OSError:
        return 0


def _set(port: int, query: str) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{port}/set?{query}", data=b"", timeout=5).close()


@pytest.fixture
def shop() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    environ = {**os.environ, "PORT": str(port), "VERSION": "v7", "LOG_FORMAT": "none"}
    process = subprocess.Popen([sys.executable, APP], env=environ, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _get(port) == 200)
        yield process, port
    finally:
        process.kill()
        process.wait()


def test_every_fourth_request_that_fails_is_counted(shop: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = shop
    _set(port, "error_rate=0.25")
    with Load(port, connections=4, rate=1000) as load, load.tally() as tally:
        wait_until(lambda: tally.requests >= 200)
    assert abs(tally.failed - tally.requests / 4) <= 1
    assert tally.reasons == {"status 500": tally.failed}
    assert tally.versions == {"v7": tally.requests}


def test_answers_without_a_fault_are_no_failures(shop: tuple[subprocess.Popen[bytes], int]) -> None:
    _, port = shop
    paths = ("/", "/error?status=404", "/slow?ms=5")
    with Load(port, paths=paths, connections=3, rate=600) as load, load.tally() as tally:
        wait_until(lambda: tally.requests >= 90)
    assert tally.failed == 0
    assert tally.statuses.keys() == {200, 404}


def test_a_server_that_dies_fails_what_was_under_way(shop: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = shop
    with Load(port, paths=("/slow?ms=60000",), connections=3, rate=600) as load, load.tally() as tally:
        wait_until(lambda: _busy(port) >= 3)
        process.kill()
        wait_until(lambda: tally.failed >= 3)
    assert tally.failed == tally.requests


def test_a_stopped_shop_finishes_what_it_was_asked(shop: tuple[subprocess.Popen[bytes], int]) -> None:
    process, port = shop
    with Load(port, paths=("/slow?ms=500",), connections=1, rate=1) as load, load.tally() as tally:
        wait_until(lambda: _busy(port) >= 1)
        process.terminate()
        wait_until(lambda: tally.requests == 1)
    assert tally.statuses == {200: 1}
    assert process.wait(timeout=5) == 0


def _busy(port: int) -> int:
    """Requests under way but for the one that asks."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=5) as answer:
        return int(json.load(answer)["busy"]) - 1
