"""Requests that no browser sends: what reaches no service, and what every service gets in the same form."""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.proxy.routes import Slot
from tests.support.certificate import certificate
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

pytestmark = pytest.mark.proxy

# One installation with what could be confused: a path of one host, another service for the rest of it.
ROUTES = (RouteSpec(("a.test",), "/"), RouteSpec(("[::1]",), "/"))
ADMIN = (RouteSpec(("a.test",), "/admin"), RouteSpec(("a.test",), "/admin/metrics"))


def raw(world: ProxyWorld, data: bytes) -> bytes:
    """Everything that comes back for these bytes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", world.port), timeout=15) as connection:
        connection.sendall(data)
        found = b""
        while part := connection.recv(65536):
            found += part
        return found


def answer(world: ProxyWorld, line: bytes, *headers: bytes) -> tuple[int, str]:
    data = b"\r\n".join([line, *headers, b"Connection: close", b"", b""])
    found = raw(world, data)
    status = re.match(rb"HTTP/1\.[01] (\d{3})", found)
    assert status is not None, found[:200]
    return int(status[1]), found.partition(b"\r\n\r\n")[2].decode("latin-1")


@contextlib.contextmanager
def answers_with(*headers: bytes) -> Iterator[int]:
    """The port of a server that answers /big with these headers, and everything else without."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = list(iter(self.rfile.readline, b"\r\n"))
            extra = headers if b"/big" in lines[0] else ()
            self.wfile.write(b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: 2", *extra, b"", b"ok"]))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def two(world: ProxyWorld, servers: list[Upstream]) -> ProxyWorld:
    site, admin = servers
    slot = {"version": "v1", "state": "ready"}
    world.driver.boot(
        [
            route("site", *ROUTES, blue=Slot(port=site.port, **slot)),  # type: ignore[arg-type]
            route("admin", *ADMIN, blue=Slot(port=admin.port, **slot)),  # type: ignore[arg-type]
        ]
    )
    return world


def served(two: ProxyWorld, servers: list[Upstream]) -> tuple[int, int]:
    return len(servers[0].seen), len(servers[1].seen)


@pytest.mark.parametrize(
    "host",
    [
        "a.test/admin", "a.test/", "a.test:80/admin", "a.test?x", "a.test#x", "user@a.test", "a.test:", "a.test:http",
        "a.test:123456", "a test", "a.test,b.test", "a.test\tb", "[::1", "::1", "[x]", "-a.test", ".a.test", "a.test..",
        "a.test\\admin", "a.test%2fadmin", "a.test|b", "\xe4.test", "*", "a.test;b", "'a.test'",
    ],
)  # fmt: skip
def test_a_host_is_a_name_and_a_port(two: ProxyWorld, servers: list[Upstream], host: str) -> None:
    before = served(two, servers)
    status, _ = answer(two, b"GET /metrics HTTP/1.1", b"Host: " + host.encode("latin-1"))
    assert status == 400
    assert served(two, servers) == before


@pytest.mark.parametrize(
    ("host", "status"), [("a.test/evil:443", 400), ("a.test@evil.test", 400), ("", 400), ("A.Test.:80", 308)]
)
def test_a_redirect_is_made_of_a_checked_host(
    world: ProxyWorld, free_port: Callable[[], int], host: str, status: int
) -> None:
    made = certificate(world.folder, "a.test")
    tls_port = free_port()
    world.make(tls={"cert": made.cert, "key": made.key}, tls_listen=(f"127.0.0.1:{tls_port}",))
    world.driver.boot([route("site", RouteSpec(("*",), "/"))])
    found = raw(world, f"GET /p HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert found.startswith(f"HTTP/1.1 {status} ".encode())
    assert re.findall(rb"(?i)location: (\S*)", found) == [f"https://a.test:{tls_port}/p".encode()] * (status == 308)


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_an_authority_of_http2_is_a_host(
    world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int], version: str
) -> None:
    made, tls_port = certificate(world.folder, "a.test"), free_port()
    world.make(tls={"cert": made.cert, "key": made.key}, tls_listen=(f"127.0.0.1:{tls_port}",))
    world.driver.boot(
        [route("site", *ROUTES), route("admin", *ADMIN, blue=Slot(port=servers[1].port, version="v1", state="ready"))]
    )
    url = f"https://127.0.0.1:{tls_port}/admin/metrics"
    for host, answers in (("a.test/admin", ("400", "000")), ("A.test:1", ("200",))):  # HAProxy 3 resets the stream
        asked = ["curl", "-sk", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}", version, "-H"]
        done = subprocess.run([*asked, f"Host: {host}", url], capture_output=True, text=True, check=False)
        assert done.stdout in answers
    assert servers[1].paths() == ["/admin/metrics"]


@pytest.mark.parametrize("host", ["a.internal/x", "1/a.internal", "a.internal|b", "user@a.internal"])
def test_an_internal_port_takes_hosts_alone(
    world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int], host: str
) -> None:
    port = free_port()
    slots = [Slot(port=server.port, version="v1", state="ready") for server in servers]
    names = ("a.internal", "b.internal")
    world.driver.boot(
        [
            route(name[0], RouteSpec((f"{name}.test",)), blue=slot, internal=f"{name}:{port}")
            for name, slot in zip(names, slots, strict=True)
        ]
    )
    assert world.get("/x", host=host, port=port)[0] == 400
    assert world.get("/x", host=f"A.Internal.:{port}", port=port)[0] == 200
    assert servers[0].paths() == ["/x"]


@pytest.mark.parametrize("host", ["a.test", "A.TEST:8080", "a.test.", "a.test.:80", "[::1]:80", "[::1]"])
def test_hosts_that_are_names(two: ProxyWorld, servers: list[Upstream], host: str) -> None:
    assert answer(two, b"GET /x HTTP/1.1", f"Host: {host}".encode())[0] == 200
    assert served(two, servers) == (1, 0)


@pytest.mark.parametrize(
    ("path", "admin"),
    [
        ("/admin", True),
        ("/adminx", False),
        ("/x/../admin", True),
        ("/x/%2e%2e/admin", True),
        ("/x/.%2E/admin?q=1", True),
        ("/./admin/./metrics", True),
        ("/../../admin", True),
        ("/%61dmin", True),
        ("/admin/../x", False),
        ("/admin%2f..%2fx", False),
        ("/x/..%2fadmin", False),
    ],
)
def test_a_path_is_routed_as_its_service_understands_it(
    two: ProxyWorld, servers: list[Upstream], path: str, admin: bool
) -> None:
    assert answer(two, f"GET {path} HTTP/1.1".encode(), b"Host: a.test")[0] == 200
    assert served(two, servers) == ((0, 1) if admin else (1, 0))


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (b"GET / HTTP/1.1", (b"Host: a.test", b"X: a\x00b")),
        (b"GET / HTTP/1.1", (b"Host: a.test", b"X: a\rb")),
        (b"GET / HTTP/1.1", (b"Host: a.test", b"Host: b.test")),
        (b"GET / HTTP/1.1", (b"Host: a.test", b"Content-Length: 0", b"Content-Length: 1")),
        (b"GET / HTTP/1.1", (b"Host: a.test", b"Content-Length: 3", b"Transfer-Encoding: xchunked")),
        (b"GET / HTTP/1.1", (b"Host : a.test",)),
        (b"GET / HTTP/1.1", (b"Host: a.test", b" folded: x")),
        (b"GET http://b.test/ HTTP/1.1", (b"Host: a.test",)),
        (b"GET /\x00 HTTP/1.1", (b"Host: a.test",)),
        (b"GET admin HTTP/1.1", (b"Host: a.test",)),
        (b"GET / HTTP/1.1", (b"Host: a.test", b"X\x00: a")),
    ],
)
def test_a_malformed_request_reaches_nobody(
    two: ProxyWorld, servers: list[Upstream], line: bytes, headers: tuple[bytes, ...]
) -> None:
    assert answer(two, line, *headers)[0] == 400
    assert served(two, servers) == (0, 0)


def test_a_bare_line_feed_ends_a_line_for_all_alike(two: ProxyWorld, servers: list[Upstream]) -> None:
    """RFC 9112, section 2.2, allows it; what goes on to a service has CRLF, so nobody reads other lines than the proxy."""
    data = b"GET / HTTP/1.1\r\nHost: a.test\nX: y\nZ: z\r\nConnection: close\r\n\r\n"
    assert raw(two, data).startswith(b"HTTP/1.1 200")
    headers = servers[0].seen[0][2]
    assert (headers["x"], headers["z"]) == ("y", "z")


def test_an_absolute_target_counts_as_its_host(two: ProxyWorld, servers: list[Upstream]) -> None:
    assert answer(two, b"GET http://a.test/admin HTTP/1.1", b"Host: a.test")[0] == 200
    assert served(two, servers) == (0, 1)


def test_without_a_host(two: ProxyWorld, servers: list[Upstream]) -> None:
    assert answer(two, b"GET / HTTP/1.0")[0] == 404
    assert answer(two, b"GET / HTTP/1.1", b"Host:")[0] in (400, 404)
    assert served(two, servers) == (0, 0)


def cookies(size: int) -> bytes:
    return b"Cookie: c=" + b"x" * size


def many(count: int) -> tuple[bytes, ...]:
    return tuple(b"X-%d: y" % number for number in range(count))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((cookies(15_000),), 200),
        ((cookies(62_000),), 200),
        ((cookies(70_000),), 400),
        (many(240), 200),
        (many(300), 400),
    ],
)
def test_the_head_of_a_request_has_a_limit(
    two: ProxyWorld, servers: list[Upstream], headers: tuple[bytes, ...], status: int
) -> None:
    got, _ = answer(two, b"GET / HTTP/1.1", b"Host: a.test", *headers)
    assert got == status or (status == 400 and got == 431)  # HAProxy 3.2 says 431
    assert served(two, servers) == (int(status == 200), 0)


@pytest.mark.parametrize(
    ("headers", "status"),
    [((b"X: " + b"x" * 62_000,), 200), (many(240), 200), ((b"X: " + b"x" * 70_000,), 502), (many(300), 502)],
)
def test_the_head_of_an_answer_has_a_limit_that_the_page_tells(
    world: ProxyWorld, headers: tuple[bytes, ...], status: int
) -> None:
    with answers_with(*headers) as port:
        slot = Slot(port=port, version="v1", state="ready")
        world.driver.boot([route("site", RouteSpec(("a.test",), "/"), blue=slot)])
        got, page = answer(world, b"GET /big HTTP/1.1", b"Host: a.test")
        assert got == status
        assert ("64 KiB or 250 headers" in page) == (status == 502)
        assert [line["status"] for line in wait_until(world.log, what="the request's line in the log")] == [status]


def test_limits_are_settable(world: ProxyWorld) -> None:
    world.make(max_header="128k", max_headers=1000)
    with answers_with(b"X: " + b"x" * 100_000, *many(900)) as port:
        world.driver.boot([route("site", *ROUTES, blue=Slot(port=port, version="v1", state="ready"))])
        assert answer(world, b"GET /big HTTP/1.1", b"Host: a.test", cookies(100_000), *many(900))[0] == 200
