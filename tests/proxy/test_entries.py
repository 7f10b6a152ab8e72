"""What a route asks for: sizes, times, headers, one name, who may call, compression."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import subprocess
from typing import Any

import pytest

from monitor.domain.deploy.spec import EntryTimeouts, RouteSpec
from monitor.domain.proxy.routes import Slot
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream

pytestmark = pytest.mark.proxy


def booted(world: ProxyWorld, servers: list[Upstream], *specs: RouteSpec, **changes: Any) -> None:
    world.make(**changes)
    world.driver.boot([route("core", *specs, blue=Slot(servers[0].port, "v1", "ready"))])


def ask(world: ProxyWorld, host: str, path: str = "/", method: str = "GET", body: Any = None, **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with contextlib.suppress(BrokenPipeError):  # a proxy that answers already need not take the body
        connection.request(method, path, body=body, headers={"Host": host, **named})
    response = connection.getresponse()
    response.body = response.read()  # type: ignore[attr-defined]
    connection.close()
    return response


def test_the_size_of_a_request(world: ProxyWorld, servers: list[Upstream]) -> None:
    booted(world, servers, RouteSpec(("a.test",), max_body=1000), RouteSpec(("b.test",)))
    assert ask(world, "a.test", method="POST", body=b"x" * 1000).status == 200
    assert ask(world, "a.test", method="POST", body=b"x" * 1001).status == 413
    assert ask(world, "a.test").status == 200
    before = len(servers[0].seen)
    assert ask(world, "a.test", method="POST", body=iter([b"x" * 2000])).status == 411, "chunked: nobody knows how long"
    assert len(servers[0].seen) == before
    assert ask(world, "b.test", method="POST", body=b"x" * 5000).status == 200


def test_headers_are_set_as_they_are_written(world: ProxyWorld, servers: list[Upstream]) -> None:
    value = "max-age=31536000; \"100%\" %[src] 'it' \\1 #x"
    booted(world, servers, RouteSpec(("a.test",), headers={"X-Odd": value, "Server": "none"}), RouteSpec(("b.test",)))
    first = ask(world, "a.test")
    assert (first.getheader("X-Odd"), first.getheader("Server")) == (value, "none")
    assert ask(world, "b.test").getheader("X-Odd") is None


def test_further_hosts_lead_to_the_first(world: ProxyWorld, servers: list[Upstream]) -> None:
    booted(world, servers, RouteSpec(("Shop.test", "www.shop.test", "*.old.test"), redirect=True))
    assert ask(world, "shop.test").status == 200
    for host in ("www.shop.test", "a.old.test"):
        answer = ask(world, host, "/x?y=1")
        assert (answer.status, answer.getheader("Location")) == (308, "http://shop.test/x?y=1")
    answer = ask(world, "www.shop.test:8080", "/x")
    assert answer.getheader("Location") == "http://shop.test:8080/x"


@pytest.mark.parametrize(
    ("host", "port"), [("[2001:db8::1]", ""), ("[2001:db8::1]:8080", ":8080"), ("b.test.:81", ":81")]
)
def test_an_address_of_version_6_has_no_part_that_is_taken_for_a_port(
    world: ProxyWorld, servers: list[Upstream], host: str, port: str
) -> None:
    booted(world, servers, RouteSpec(("shop.test", "*"), redirect=True))
    answer = ask(world, host, "/x")
    assert (answer.status, answer.getheader("Location")) == (308, f"http://shop.test{port}/x")


@pytest.mark.parametrize("path", ["/in", "//in", "/in//x", "/.//in/x", "/x/..//in", "/%69n", "///in"])
def test_several_slashes_do_not_lead_around_a_route(world: ProxyWorld, servers: list[Upstream], path: str) -> None:
    booted(world, servers, RouteSpec(("a.test",), "/in", allow=("203.0.113.0/24",)), RouteSpec(("a.test",)))
    assert ask(world, "a.test", path).status == 403
    assert servers[0].seen == []


def test_slashes_go_on_as_they_came(world: ProxyWorld, servers: list[Upstream]) -> None:
    booted(world, servers, RouteSpec(("a.test",), "/api/v1", strip=True), RouteSpec(("a.test",)))
    for path in ("/get//https://b.test/", "//api//v1/x//y", "/api/v1"):
        assert ask(world, "a.test", path).status == 200
    assert servers[0].paths() == ["/get//https://b.test/", "/x//y", "/"]
    assert world.log()[0]["path"] == "/get//https://b.test/"


def test_who_may_call(world: ProxyWorld, servers: list[Upstream]) -> None:
    """By the client's real address, behind a trusted balancer as well."""
    booted(
        world,
        servers,
        RouteSpec(("a.test",), allow=("203.0.113.0/24",)),
        RouteSpec(("b.test",)),
        trusted=("127.0.0.1",),
    )
    assert ask(world, "a.test").status == 403
    assert ask(world, "a.test", X_Forwarded_For="203.0.113.5").status == 200
    assert ask(world, "a.test", X_Forwarded_For="203.0.113.5, 198.51.100.1").status == 403
    assert ask(world, "b.test").status == 200


def test_basic_auth(world: ProxyWorld, servers: list[Upstream]) -> None:
    made = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input="s3cret", capture_output=True, text=True, check=True
    )
    hashed = made.stdout.strip()
    booted(world, servers, RouteSpec(("a.test",), "/in", basic_auth={"ops": hashed}), RouteSpec(("a.test",)))

    def auth(text: str) -> str:
        return "Basic " + base64.b64encode(text.encode()).decode()

    asked = ask(world, "a.test", "/in/x")
    assert (asked.status, asked.getheader("WWW-Authenticate")) == (401, 'Basic realm="core"')
    assert ask(world, "a.test", "/in", Authorization=auth("ops:wrong")).status == 401
    assert ask(world, "a.test", "/in", Authorization=auth("root:s3cret")).status == 401
    assert ask(world, "a.test", "/in", Authorization=auth("ops:s3cret")).status == 200
    assert "authorization" not in servers[0].seen[-1][2]
    assert ask(world, "a.test", "/", Authorization="Bearer x").status == 200
    assert servers[0].seen[-1][2]["authorization"] == "Bearer x"
    assert "s3cret" not in (world.folder / "proxy" / "haproxy.cfg").read_text()


def test_time_outs_of_a_route(world: ProxyWorld, servers: list[Upstream]) -> None:
    booted(world, servers, RouteSpec(("a.test",), timeouts=EntryTimeouts(server=0.3)), RouteSpec(("b.test",)))
    answer = ask(world, "a.test", "/silent", method="POST", body=b"x")
    assert answer.status == 504, "after 0.3 s, where the proxy's own 60 s are longer than we wait"
    servers[0].release()
    assert ask(world, "b.test", "/silent").status == 200


def test_compression_is_off_unless_it_is_asked_for(world: ProxyWorld, servers: list[Upstream]) -> None:
    booted(world, servers, RouteSpec(("a.test",)))
    assert ask(world, "a.test", Accept_Encoding="gzip").getheader("Content-Encoding") is None
    world.driver.reload(
        [route("core", RouteSpec(("a.test",), compress=True), blue=Slot(servers[0].port, "v1", "ready"))]
    )
    packed = ask(world, "a.test", "/text", Accept_Encoding="gzip")
    assert packed.getheader("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.body).startswith(b"old GET /text")
    assert ask(world, "a.test", "/text").getheader("Content-Encoding") is None
