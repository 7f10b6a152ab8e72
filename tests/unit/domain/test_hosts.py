"""Which host runs what."""

from __future__ import annotations

import pytest

from monitor.domain.hosts import placement

HOSTS = {"vps1": "deploy@vps1", "vps2": "deploy@vps2", "here": None}


@pytest.mark.parametrize(
    ("wanted", "here", "expected"),
    [
        ((), {"x"}, (True, [])),
        (("vps1",), {"x"}, (False, ["vps1"])),
        (("vps1", "vps2"), {"vps2"}, (True, ["vps1"])),
        (("here", "vps2"), {"x"}, (True, ["vps2"])),
    ],
)
def test_placement(wanted: tuple[str, ...], here: set[str], expected: tuple[bool, list[str]]) -> None:
    assert placement(HOSTS, wanted, here) == expected
