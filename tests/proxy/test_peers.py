"""Two real proxies that hand requests of an internal service on to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.proxy.peering import Peer, Peering
from monitor.domain.proxy.routes import Slot
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

PUBLIC = RouteSpec(("public.test",))


@pytest.fixture
def pair(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[tuple[ProxyWorld, ProxyWorld]]:
    """Host a and host b, not yet started."""
    doors = {"a": f"127.0.0.1:{free_port()}", "b": f"127.0.0.1:{free_port()}"}
    worlds = []
    for host, other in (("a", "b"), ("b", "a")):
        folder = tmp_path / host
        folder.mkdir()
        world = ProxyWorld("process", folder, "p", "", free_port)
        world.peers = Peering(doors[host], ("127.0.0.1",), ("core",), {"core": (Peer(other, doors[other]),)})
        world.make()
        worlds.append(world)
    yield worlds[0], worlds[1]
    for world in worlds:
        world.close()


def test_requests_go_to_the_own_host_and_past_it_only_when_it_cannot(
    pair: tuple[ProxyWorld, ProxyWorld], servers: list[Upstream], free_port: Callable[[], int]
) -> None:
    a, b = pair
    ports = [free_port(), free_port()]

    def boot(number: int) -> None:
        slot = Slot(servers[number].port, "v1", "ready")
        pair[number].driver.boot([route("core", PUBLIC, blue=slot, internal=f"core.internal:{ports[number]}")])

    def answer(number: int, method: str = "GET") -> tuple[int, str]:
        return pair[number].get(port=ports[number], host="core.internal", method=method)

    boot(0)
    boot(1)
    assert answer(0) == (200, "old GET /")
    assert answer(1) == (200, "new GET /")

    a.driver.maintenance("core", True)
    wait_until(lambda: answer(0) == (200, "new GET /"))
    assert answer(0, "POST") == (200, "new POST /")
    assert servers[1].seen[-1][2].get("x-forwarded-for") == "127.0.0.1"
    assert "x-bgmon-service" not in servers[1].seen[-1][2]

    b.driver.maintenance("core", True)  # nowhere at all: each answers itself, and no request goes round
    wait_until(lambda: answer(0)[0] == 503)
    wait_until(lambda: answer(1)[0] == 503)

    a.driver.maintenance("core", False)
    assert answer(0) == (200, "old GET /")
    wait_until(lambda: answer(1) == (200, "old GET /"))
    a.driver.remove()  # the host is gone, and the other one is in maintenance
    wait_until(lambda: answer(1)[0] == 503 and "Back soon" in answer(1)[1])
    b.driver.maintenance("core", False)
    assert answer(1) == (200, "new GET /")

    boot(0)
    a.driver.close("core", "blue")
    wait_until(lambda: answer(0) == (200, "new GET /"))
