"""What the tests of deploys on fakes begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.deploys import World, world


@pytest.fixture
def shop() -> Iterator[World]:
    """Version v1 serves."""
    with world() as made:
        made.deploy("v1")
        yield made
