"""Behind somebody else's balancer: whose word on the client counts, the PROXY protocol, IPv6."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable

import pytest

from monitor.domain.proxy.routes import Slot
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

pytestmark = pytest.mark.proxy

HEAD = b"GET / HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n"


def raw(port: int, data: bytes, source: str = "127.0.0.1") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
        return answer


def seen(server: Upstream) -> tuple[str, str]:
    headers = server.seen[-1][2]
    return headers["x-forwarded-for"], headers["x-forwarded-proto"]


def clients(world: ProxyWorld, count: int) -> list[str]:
    wait_until(lambda: len(world.log()) >= count, what=f"{count} log lines")
    return [line["client"] for line in world.log()]


def booted(world: ProxyWorld, servers: list[Upstream], **changes: object) -> None:
    world.make(**changes)
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])


def test_a_trusted_peer_s_headers_are_kept_and_added_to(world: ProxyWorld, servers: list[Upstream]) -> None:
    booted(world, servers, trusted=("127.0.0.2", "10.0.0.0/8", "2001:db8::/32"))
    cases = [
        # what the peer says: what the service is told, who is in the log
        (b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n", ("203.0.113.7, 127.0.0.2", "https"), "203.0.113.7"),
        (b"X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.2.3\r\n", ("6.6.6.6, 203.0.113.7, 10.1.2.3, 127.0.0.2", "http"), "203.0.113.7"),
        (b"X-Forwarded-For: 2001:4860::1, 2001:db8::9\r\n", ("2001:4860::1, 2001:db8::9, 127.0.0.2", "http"), "2001:4860::1"),
        (b"", ("127.0.0.2", "http"), "127.0.0.2"),
        (b"X-Forwarded-For: rubbish\r\nX-Forwarded-Proto: gopher\r\n", ("rubbish, 127.0.0.2", "http"), "127.0.0.2"),
    ]  # fmt: skip
    logged = []
    for said, told, client in cases:
        assert b" 200 " in raw(world.port, HEAD + said + b"\r\n", "127.0.0.2")
        assert seen(servers[0]) == told
        logged.append(client)
        assert clients(world, len(logged)) == logged  # its threads log each for itself: awaited one by one


def test_everybody_else_s_headers_are_replaced(world: ProxyWorld, servers: list[Upstream]) -> None:
    booted(world, servers, trusted=("127.0.0.2",))
    said = b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.1.1.1\r\n"
    assert b" 200 " in raw(world.port, HEAD + said + b"\r\n", "127.0.0.3")
    assert seen(servers[0]) == ("127.0.0.3", "http")
    assert "forwarded" not in servers[0].seen[-1][2]
    assert clients(world, 1) == ["127.0.0.3"]


def test_each_request_of_a_connection_has_its_own_client(world: ProxyWorld, servers: list[Upstream]) -> None:
    booted(world, servers, trusted=("127.0.0.1",))
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=10)
    for client in ("203.0.113.1", "203.0.113.2"):
        connection.request("GET", "/", headers={"X-Forwarded-For": client})
        connection.getresponse().read()
        assert seen(servers[0])[0] == f"{client}, 127.0.0.1"
    connection.request("GET", "/")
    connection.getresponse().read()
    connection.close()
    assert clients(world, 3) == ["203.0.113.1", "203.0.113.2", "127.0.0.1"]


def test_the_proxy_protocol_on_one_listener_from_trusted_peers_alone(
    world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int]
) -> None:
    behind = free_port()
    listen = (f"127.0.0.1:{world.port}", f"127.0.0.1:{behind}")
    booted(world, servers, listen=listen, trusted=("127.0.0.2",), accept_proxy=(listen[1],))
    header = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n"
    assert b" 200 " in raw(behind, header + HEAD + b"\r\n", "127.0.0.2")
    assert seen(servers[0])[0] == "203.0.113.9"
    spoofed = HEAD + b"X-Forwarded-For: 1.1.1.1\r\n\r\n"
    assert b" 200 " in raw(behind, header + spoofed, "127.0.0.2")
    assert seen(servers[0])[0] == "203.0.113.9", "the client behind the balancer is not trusted"
    answered = len(servers[0].seen)
    assert b" 400 " in raw(behind, header + HEAD + b"\r\n", "127.0.0.3")
    assert b" 400 " in raw(world.port, header + HEAD + b"\r\n", "127.0.0.2")
    assert len(servers[0].seen) == answered
    assert b" 200 " in raw(behind, HEAD + b"\r\n", "127.0.0.3"), "without the header, as anybody"


def test_ipv6_beside_ipv4_on_one_port(world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int]) -> None:
    internal = free_port()
    world.make(listen=(f"0.0.0.0:{world.port}", f"[::]:{world.port}"), internal_listen=("127.0.0.1", "::1"))
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"), internal=f"core.internal:{internal}")])
    for host, port in (("127.0.0.1", world.port), ("::1", world.port), ("127.0.0.1", internal), ("::1", internal)):
        connection = http.client.HTTPConnection(host, port, timeout=10)
        connection.request("GET", "/", headers={"Host": "x.test"})
        assert connection.getresponse().status == 200
        connection.close()
        assert seen(servers[0])[0] == host
    assert f"[::]:{world.port}" in world.driver.status().listening
