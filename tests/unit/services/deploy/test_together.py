"""Several services at once, on fakes: all get their new version, or none does, wherever one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from monitor.errors import BgmonError, DeployFailed
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployRequest
from monitor.services.deploy.together import Together
from tests.support.deploys import IMAGE, world


def run(together: Together, work: dict[str, Callable[[], None]]) -> dict[str, str]:
    """Each service's way through its meetings in a thread of its own; how each ended."""
    ends: dict[str, str] = {}

    def one(name: str) -> None:
        try:
            work[name]()
            ends[name] = "done"
        except BgmonError as error:
            together.fail(name)
            ends[name] = str(error)

    threads = [threading.Thread(target=one, args=(name,)) for name in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return ends


def test_nobody_goes_on_before_all_are_there() -> None:
    together = Together(["a", "b", "c"])
    order: list[str] = []

    def way(name: str) -> None:
        order.append(f"{name} before")
        together.meet(name, "healthy")
        order.append(f"{name} after")
        together.meet(name, "proven")

    assert set(run(together, {name: lambda name=name: way(name) for name in "abc"}).values()) == {"done"}  # type: ignore[misc]
    assert {each[2:] for each in order[:3]} == {"before"}


@pytest.mark.parametrize("at", ["pulled", "healthy", "proven"])
def test_when_one_fails_the_others_go_no_further_and_name_it(at: str) -> None:
    together = Together(["a", "b", "bad"])
    points = ["pulled", "healthy", "proven"]

    def good(name: str) -> None:
        for point in points:
            together.meet(name, point)

    def bad() -> None:
        for point in points[: points.index(at)]:
            together.meet("bad", point)
        raise DeployFailed("not healthy")

    ends = run(together, {"a": lambda: good("a"), "b": lambda: good("b"), "bad": bad})
    assert ends == {
        "a": "bad failed, and they are deployed together",
        "b": "bad failed, and they are deployed together",
        "bad": "not healthy",
    }


def test_who_waits_can_be_interrupted_and_waits_no_longer_than_its_requests_can() -> None:
    with pytest.raises(DeployFailed, match="interrupted"):
        Together(["a", "b"]).meet("a", "healthy", cancelled=lambda: True)
    with pytest.raises(DeployFailed, match="could not wait for b any longer"):
        Together(["a", "b"]).meet("a", "healthy", within=0.1)


class Nobody(Together):
    """The others fail at one point."""

    def __init__(self, point: str) -> None:
        super().__init__(["core", "other"])
        self._point = point

    def meet(self, service: str, at: str, **_: Any) -> None:
        if at == self._point:
            raise DeployFailed(f"{service} waits in vain: other failed, and they are deployed together")


@pytest.mark.parametrize(
    ("point", "result"), [("pulled", "failed"), ("healthy", "failed"), ("proven", "switched-back")]
)
def test_a_deploy_that_waited_in_vain_is_undone_like_any_other(point: str, result: str) -> None:
    with world() as made:
        made.deploy("v1")
        request = DeployRequest(spec=made.spec(), image=f"{IMAGE}:v2", version="v2")
        with pytest.raises(DeployFailed, match="deployed together"):
            deploy(made.deps(together=Nobody(point)), request)
        assert made.assert_settled("v1").version == "v1"
        assert made.store.deploys("core")[0].result == result
