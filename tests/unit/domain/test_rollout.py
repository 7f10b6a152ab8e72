"""Which hosts go when; a newer caller and an older host."""

from __future__ import annotations

import pytest

from monitor.domain.deploy.rollout import Seen, got_worse, merged, waves
from monitor.domain.deploy.spec import RolloutPolicy
from monitor.domain.remotejob import frame, is_id, octets_of, older, parsed, text_of


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (RolloutPolicy(), [["a"], ["b"], ["c"]]),
        (RolloutPolicy(parallel=2), [["a", "b"], ["c"]]),
        (RolloutPolicy(parallel=9, first="b"), [["b"], ["a", "c"]]),
        (RolloutPolicy(parallel=9, first="z"), [["a", "b", "c"]]),
    ],
)
def test_waves(policy: RolloutPolicy, expected: list[list[str]]) -> None:
    assert waves(["a", "b", "c"], policy) == expected


def test_services_that_go_together_go_as_carefully_as_the_most_careful() -> None:
    one = RolloutPolicy(parallel=3, pause=5.0, first="a")
    other = RolloutPolicy(parallel=2, on_failure="rollback", bake=60.0)
    expected = RolloutPolicy(parallel=2, pause=5.0, on_failure="rollback", first="a", bake=60.0)
    assert merged([one, other]) == expected
    assert merged([]) == RolloutPolicy()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Seen("running", "v2", 0), ""),
        (Seen("unhealthy", "v2", 0), "it is unhealthy"),
        (Seen("running", "v1", 0), "v1 serves instead of v2"),
        (Seen("running", "v2", 1), "it was restarted"),
        (None, "it is gone"),
    ],
)
def test_got_worse(now: Seen | None, expected: str) -> None:
    assert got_worse(Seen("running", "v2", 0), now) == expected


@pytest.mark.parametrize(
    ("version", "than", "expected"), [("0.1.0", "0.2.0", True), ("0.10.0", "0.9.9", False), ("1.0", "1.0", False)]
)
def test_older(version: str, than: str, expected: bool) -> None:
    assert older(version, than) is expected


def test_a_frame_carries_any_octets_and_a_greeting_is_no_frame() -> None:
    octets = bytes(range(256))
    content = parsed(frame(out=text_of(octets), at=3))
    assert content is not None
    assert octets_of(content["out"]) == octets
    assert parsed(b"Welcome to Debian\n") is None
    assert parsed(b'{"motd": 1}\n') is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "A", "x" * 200])
def test_what_is_no_name_of_a_job(name: str) -> None:
    assert not is_id(name)
