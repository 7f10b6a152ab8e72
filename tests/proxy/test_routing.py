"""Which service a request reaches, and what it is told of the client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.proxy.routes import Slot
from monitor.errors import ProxyError
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream, upstreams
from tests.support.wait import wait_until

pytestmark = pytest.mark.proxy


def ready(server: Upstream, version: str = "v1") -> Slot:
    return Slot(port=server.port, version=version, state="ready")


def test_hosts_and_paths(world: ProxyWorld) -> None:
    """Exact host before wildcard before any host; the longest path; paths are cut at slashes only."""
    with upstreams("site", "api", "wild", "deep", "rest") as (site, api, wild, deep, rest):
        world.driver.boot(
            [
                route("site", RouteSpec(("Shop.example.com", "www.example.com")), blue=ready(site)),
                route("api", RouteSpec(("shop.example.com",), "/api"), blue=ready(api)),
                route("wild", RouteSpec(("*.example.com",)), blue=ready(wild)),
                route("deep", RouteSpec(("*.eu.example.com",), "/"), blue=ready(deep)),
                route("rest", RouteSpec((), "/rest/"), blue=ready(rest)),
            ]
        )

        def who(host: str, path: str = "/") -> str:
            status, body = world.get(path, host=host)
            return body.split()[0] if status == 200 else str(status)

        assert who("shop.example.com") == "site"
        assert who("SHOP.Example.com:8080", "/apix") == "site"
        assert who("shop.example.com.", "/api") == "api"
        assert who("shop.example.com", "/api/users?x=/") == "api"
        assert who("other.example.com", "/api") == "wild"
        assert who("a.b.example.com") == "wild"
        assert who("example.com") == "404"
        assert who("shop.eu.example.com") == "deep"
        assert who("10.0.0.1", "/rest") == "rest"
        assert who("nobody.test", "/rest/of/it") == "rest"
        assert who("nobody.test", "/") == "404"
        assert who("shop.example.com", "/rest") == "site"


def test_strip_takes_the_prefix_off(world: ProxyWorld, servers: list[Upstream]) -> None:
    server = servers[0]
    routes = (RouteSpec((), "/shop.v1", strip=True), RouteSpec(("plain.test",), "/shop.v1"))
    world.driver.boot([route("core", *routes, blue=ready(server))])
    for path in ("/shop.v1", "/shop.v1/", "/shop.v1/a/b?q=/shop.v1", "/shop.v1//evil.test/"):
        assert world.get(path)[0] == 200
    world.get("/shop.v1/a", host="plain.test")
    assert world.get("/shopxv1/")[0] == 404
    assert server.paths() == ["/", "/", "/a/b?q=/shop.v1", "/evil.test/", "/shop.v1/a"]


def test_internal_names(world: ProxyWorld, free_port: Callable[[], int]) -> None:
    """A port of one service takes every request; a port of several goes by name; the public side is not affected."""
    alone, shared = free_port(), free_port()
    with upstreams("one", "two", "three") as (one, two, three):
        world.driver.boot(
            [
                route("one", RouteSpec(("one.test",)), internal=f"micro-one.internal:{alone}", blue=ready(one)),
                route("two", RouteSpec(("two.test",)), internal=f"micro-two.internal:{shared}", blue=ready(two)),
                route("three", RouteSpec(("three.test",)), internal=f"Three.internal:{shared}", blue=ready(three)),
            ]
        )
        assert world.get(host="anything", port=alone)[1] == "one GET /"
        assert world.get(host="micro-two.internal:99", port=shared)[1] == "two GET /"
        assert world.get(host="three.internal", port=shared)[1] == "three GET /"
        assert world.get(host="one.test", port=shared)[0] == 404
        assert world.get(host="micro-one.internal")[0] == 404
        wait_until(lambda: len(world.log()) >= 5)
        assert sorted(line["service"] for line in world.log()) == ["", "", "one", "three", "two"]


def test_one_address_for_two_things_is_refused(world: ProxyWorld) -> None:
    with pytest.raises(ProxyError, match=r"wanted twice: proxy\.listen and internal of core"):
        world.driver.boot([route(internal=f"core.internal:{world.port}")])


def test_the_client_cannot_forge_where_it_comes_from(world: ProxyWorld, servers: list[Upstream]) -> None:
    world.driver.boot([route(blue=ready(servers[0]))])
    forged: dict[str, Any] = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "Forwarded": "for=1.2.3.4"}
    assert world.get(host="shop.test", **forged)[0] == 200
    headers = servers[0].seen[0][2]
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == "shop.test"
    assert headers["host"] == "shop.test"
    assert "forwarded" not in headers


def test_a_service_without_a_version_shows_a_page_at_once(world: ProxyWorld, servers: list[Upstream]) -> None:
    """And becomes itself with its first version, without a reload."""
    world.driver.boot([route("core", RouteSpec(path="/core")), route("rest", blue=ready(servers[0]))])
    status, body = world.get("/core")
    assert (status, "No version of this service is running" in body) == (503, True)
    assert world.get("/")[0] == 200
    world.driver.stage("core", "green", servers[1].port, "v1")
    assert world.get("/core")[0] == 503
    world.driver.switch("core", "green")
    assert world.get("/core")[1] == "new GET /core"
    world.driver.close("core", "green")
    assert world.get("/core")[0] == 503


def test_maintenance(world: ProxyWorld, servers: list[Upstream]) -> None:
    """On and off without a reload; a restart remembers it; a page of one's own replaces bgmon's."""
    core = route(blue=ready(servers[0]))
    world.driver.boot([core])
    since = world.driver.status().since
    world.driver.maintenance("core", True)
    status, body = world.get()
    assert (status, "Back soon" in body) == (503, True)
    world.driver.maintenance("core", False)
    assert world.get()[0] == 200
    assert world.driver.status().since == since

    (world.folder / "page.html").write_text("<h1>Wir bauen um</h1>")
    world.make(maintenance_page="page.html")
    assert world.driver.save_config([route(blue=ready(servers[0]), maintenance=True)])
    assert world.get() == (503, "<h1>Wir bauen um</h1>")
    assert servers[0].paths() == ["/"]


def test_a_thousand_services(world: ProxyWorld, servers: list[Upstream]) -> None:
    """They start, and the last one is found."""
    routes = [route(f"s{i}", RouteSpec((f"s{i}.test",), "/api"), blue=ready(servers[0])) for i in range(1000)]
    world.driver.boot(routes)
    assert len(world.driver.status().services) == 1000
    assert world.get("/api/x", host="s999.test")[1] == "old GET /api/x"
    assert wait_until(world.log)[-1]["service"] == "s999"
