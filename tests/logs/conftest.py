"""Fixtures of the log tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import miniloki


@pytest.fixture(scope="session")
def miniloki_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return miniloki.build(tmp_path_factory.mktemp("miniloki"))


@pytest.fixture(scope="module")
def loki(miniloki_binary: Path) -> Iterator[miniloki.MiniLoki]:
    server = miniloki.MiniLoki(miniloki_binary)
    yield server
    server.close()
