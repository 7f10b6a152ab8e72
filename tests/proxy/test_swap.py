"""Swaps and reloads under traffic: nothing is refused, nothing is cut that need not be."""

from __future__ import annotations

import http.client
import socket

import pytest

from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.names import Color, other
from monitor.domain.proxy.routes import Slot
from tests.support.hammer import Hammer
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

pytestmark = pytest.mark.proxy


def connect(world: ProxyWorld, path: str, *headers: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", world.port), timeout=10)
    lines = [f"GET {path} HTTP/1.1", "Host: x.test", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode())
    return connection


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    data = b""
    while wanted not in data:
        chunk = connection.recv(4096)
        assert chunk, f"closed after {data!r}"
        data += chunk
    return data


def swap(world: ProxyWorld, to: Color, server: Upstream, version: str) -> None:
    world.driver.close("core", to)
    world.driver.stage("core", to, server.port, version)
    world.driver.switch("core", to)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "fresh"])
def test_swaps_break_no_request(world: ProxyWorld, servers: list[Upstream], *, keep_alive: bool) -> None:
    """Reads and writes, over connections that are kept or fresh; after a swap only the new one answers."""
    world.driver.boot([route(blue=Slot(servers[0].port, "v0", "ready"))])
    colors: dict[Color, Upstream] = {"blue": servers[0], "green": servers[1]}
    color: Color = "blue"
    with Hammer(world.port, methods=("GET", "POST"), keep_alive=keep_alive) as hammer:
        for turn in range(12):
            color = other(color)
            swap(world, color, colors[color], f"v{turn}")
            hammer.more(12)  # those under way may still be the old one's
            hammer.bodies.clear()
            hammer.more(30)
            assert set(hammer.bodies) == {colors[color].name}
    assert not hammer.failures
    assert min(hammer.good["GET"], hammer.good["POST"]) > 100


def test_reloads_refuse_no_connection(world: ProxyWorld, servers: list[Upstream]) -> None:
    """Each reload adds a service; new connections all along."""
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    world.driver.boot([core])
    with Hammer(world.port, methods=("GET", "POST"), keep_alive=False) as hammer:
        for turn in range(1, 6):
            assert world.driver.save_config([core, *(route(f"s{i}", RouteSpec(path=f"/s{i}")) for i in range(turn))])
            hammer.more(60)
    assert not hammer.failures
    assert len(world.driver.status().services) == 6


def test_what_is_under_way_stays_on_the_old_slot_until_it_is_done(world: ProxyWorld, servers: list[Upstream]) -> None:
    """Events, a WebSocket and a slow download go on through a swap, and `sessions` counts them down to 0."""
    old, new = servers
    world.driver.boot([route(blue=Slot(old.port, "v1", "ready"))])
    upgrade = (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    )
    with connect(world, "/sse") as events, connect(world, "/ws", *upgrade) as tunnel, connect(world, "/slow") as slow:
        read_until(events, b"data: old\n\n")  # at once: nothing is held back
        assert b" 101 " in read_until(tunnel, b"\r\n\r\n")
        read_until(slow, b"01234")
        swap(world, "green", new, "v2")
        assert world.get()[1] == "new GET /"
        assert world.driver.slots("core")["blue"].sessions == 3

        tunnel.sendall(b"still there?\n")
        assert read_until(tunnel, b"\n") == b"old still there?\n"
        tunnel.close()
        old.release()
        assert read_until(slow, b"56789")
        read_until(events, b"data: end\n\n")
    wait_until(lambda: world.driver.slots("core")["blue"].sessions == 0)


def test_sessions_of_old_workers_count_and_can_be_cut(world: ProxyWorld, servers: list[Upstream]) -> None:
    """After a reload, what the worker before it still carries is neither forgotten nor out of reach."""
    old, new = servers
    core = route(blue=Slot(old.port, "v1", "ready"))
    world.driver.boot([core])
    with connect(world, "/sse") as events, connect(world, "/sse") as more:
        read_until(events, b"data: old\n\n")
        world.driver.save_config([core, route("shop", RouteSpec(path="/shop"))])
        read_until(more, b"data: old\n\n")
        swap(world, "green", new, "v2")
        wait_until(lambda: world.driver.slots("core")["blue"].sessions == 2, timeout=5)
        world.driver.close("core", "blue")
        wait_until(lambda: world.driver.slots("core")["blue"].sessions == 0, timeout=5)
        for connection in (events, more):
            while connection.recv(4096):
                pass
    assert world.get()[1] == "new GET /"


def test_weights_share_new_requests(world: ProxyWorld, servers: list[Upstream]) -> None:
    old, new = servers
    world.driver.boot([route(blue=Slot(old.port, "v1", "ready"))])
    world.driver.stage("core", "green", new.port, "v2")
    world.driver.set_weights("core", {"blue": 75, "green": 25})
    answers = [world.get()[1].split()[0] for _ in range(400)]
    assert 50 <= answers.count("new") <= 150  # each request draws lots: 100 +- 9 is expected
    world.driver.set_weights("core", {"blue": 0, "green": 0})
    assert world.get()[0] == 503


def test_a_share_survives_a_restart(world: ProxyWorld, servers: list[Upstream]) -> None:
    old, new = servers
    world.driver.boot([route(blue=Slot(old.port, "v1", "ready", 80), green=Slot(new.port, "v2", "ready", 20))])
    assert 40 <= [world.get()[1].split()[0] for _ in range(400)].count("new") <= 130  # 80 +- 8 is expected


def test_counters_count_answers_and_failures(world: ProxyWorld, servers: list[Upstream]) -> None:
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    for path in ("/", "/status/404", "/status/500", "/status/503"):
        world.get(path)
    assert world.get("/close", method="POST")[0] == 502
    blue = world.driver.counters("core")["blue"]
    assert (blue.requests, blue.errors, blue.connect_errors) == (5, 3, 0)
    assert world.driver.counters("core")["green"].requests == 0


def test_each_broken_answer_is_counted_once(world: ProxyWorld, servers: list[Upstream]) -> None:
    """HAProxy's own counter says one or two, by its version and by how the answer broke."""
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    with pytest.raises(http.client.IncompleteRead):
        world.get("/cut")
    blue = world.driver.counters("core")["blue"]
    assert (blue.requests, blue.errors) == (1, 1)
    assert world.get("/close")[0] == 502  # a GET is sent twice, and is one request
    blue = world.driver.counters("core")["blue"]
    assert (blue.requests, blue.errors) == (2, 2)
