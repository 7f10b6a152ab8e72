"""A real HAProxy as a process for each test, and two services to stand behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.proxies import ProxyWorld
from tests.support.upstream import Upstream, upstreams


@pytest.fixture
def world(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[ProxyWorld]:
    made = ProxyWorld("process", tmp_path, "p", "", free_port)
    yield made
    made.close()


@pytest.fixture
def boxed(tmp_path: Path, project: str, haproxy_image: str, free_port: Callable[[], int]) -> Iterator[ProxyWorld]:
    """As `world`, in a container."""
    made = ProxyWorld("container", tmp_path, project, haproxy_image, free_port)
    yield made
    made.close()


@pytest.fixture
def servers() -> Iterator[list[Upstream]]:
    with upstreams("old", "new") as started:
        yield started
