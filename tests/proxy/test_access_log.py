"""The access log: one JSON object a request, whatever the request holds."""

from __future__ import annotations

import socket

import pytest

from monitor.domain.proxy.routes import Slot
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

pytestmark = pytest.mark.proxy


def send(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        return connection.recv(4096)


@pytest.mark.parametrize("kind", ["world", "boxed"])
def test_every_field_is_as_promised(kind: str, request: pytest.FixtureRequest, servers: list[Upstream]) -> None:
    world: ProxyWorld = request.getfixturevalue(kind)
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    assert world.get("/status/500?token=secret", method="POST")[0] == 500
    line = wait_until(world.log)[0]
    assert list(line) == [
        "service", "color", "version", "method", "path", "status", "duration_us", "bytes", "client",
    ]  # fmt: skip
    assert isinstance(line["duration_us"], int)
    assert 0 < line.pop("duration_us") < 10_000_000
    assert isinstance(line["bytes"], int)
    assert line.pop("bytes") > 0
    assert line == {
        "service": "core",
        "color": "blue",
        "version": "v1",
        "method": "POST",
        "path": "/status/500",
        "status": 500,
        "client": "127.0.0.1",
    }
    assert b"secret" not in world.log_text()


@pytest.mark.parametrize(
    "target",
    [
        b'/a"b\\c',
        b"/%22%5c%00",
        b"/" + b'"' * 6000,
        b"/" + bytes(range(0x21, 0x7F)).replace(b"#", b"").replace(b"?", b""),
    ],
    ids=["quotes", "encoded", "long", "ascii"],
)
def test_paths_are_escaped(world: ProxyWorld, servers: list[Upstream], target: bytes) -> None:
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    answer = send(world.port, b"GET " + target + b" HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 ")
    (line,) = wait_until(world.log)
    assert line["path"] == target.decode()[:2000]


def test_what_is_no_request_is_no_line(world: ProxyWorld, servers: list[Upstream]) -> None:
    """Garbage, bytes that are not allowed, an empty connection and a reload leave nothing; odd requests leave JSON."""
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    for garbage in (b"\x16\x03\x01garbage\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET\r\n\r\n"):
        assert b" 400 " in send(world.port, garbage)
    socket.create_connection(("127.0.0.1", world.port)).close()
    world.driver.reload([route(blue=Slot(servers[0].port, "v1", "ready"))])
    send(world.port, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    send(world.port, b"GET /last HTTP/1.0\r\n\r\n")
    lines = wait_until(lambda: [line for line in world.log() if line["path"] == "/last"] and world.log())
    assert [(line["method"], line["path"]) for line in lines] == [("OPTIONS", ""), ("GET", "/last")]


def test_the_version_is_of_the_slot_that_answered(world: ProxyWorld, servers: list[Upstream]) -> None:
    """A request under way through a swap is the old version's; a slot's next version follows without a reload."""
    old, new = servers
    world.driver.boot([route(blue=Slot(old.port, "v1", "ready"))])
    with socket.create_connection(("127.0.0.1", world.port), timeout=10) as slow:
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        wait_until(lambda: old.paths() == ["/slow"])
        world.driver.stage("core", "green", new.port, "v2-rc.1+b")
        world.driver.switch("core", "green")
        world.get("/fresh")
        wait_until(lambda: len(world.log()) == 1)
        old.release()
        while slow.recv(4096):
            pass
    wait_until(lambda: len(world.log()) == 2)
    world.driver.close("core", "blue")
    world.driver.stage("core", "blue", old.port, "v3")
    world.driver.switch("core", "blue")
    world.get("/newest")
    wait_until(lambda: len(world.log()) == 3)
    assert [(line["path"], line["color"], line["version"]) for line in world.log()] == [
        ("/fresh", "green", "v2-rc.1+b"),
        ("/slow", "blue", "v1"),
        ("/newest", "blue", "v3"),
    ]


def test_answers_of_the_proxy_itself_have_no_color(world: ProxyWorld, servers: list[Upstream]) -> None:
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"), maintenance=True)])
    assert world.get()[0] == 503
    (line,) = wait_until(world.log)
    assert (line["service"], line["color"], line["version"], line["status"]) == ("core", "", "", 503)
