"""One installation for each test, on the real engine and a real HAProxy."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.errors import BgmonError
from tests.support.stage import Stage, make_stage


@pytest.fixture
def stage(
    tmp_path: Path, project: str, shop_image: str, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    made = make_stage(tmp_path, project, free_port, low=random.randrange(22000, 29000, 250))
    yield made
    with contextlib.suppress(BgmonError):
        made.app().proxy.remove()
    made.close()
