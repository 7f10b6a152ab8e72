"""What all tests of the services on fakes share."""

from __future__ import annotations

import pytest

from monitor.adapters.host import locks


@pytest.fixture(autouse=True)
def _locks_are_asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deploy's own threads take turns at the proxy's file; on fakes, nearly all of its time would be that wait."""
    monkeypatch.setattr(locks, "_POLL", 0.001)
