"""From routes to tables."""

from __future__ import annotations

import pytest

from monitor.domain.deploy.records import ServiceFlags
from monitor.domain.deploy.spec import HealthPolicy, RouteSpec, ServiceSpec, TlsFiles
from monitor.domain.proxy.routes import ServiceRoute, Slot, service_routes
from monitor.domain.proxy.settings import ProxySettings
from monitor.domain.proxy.table import automatic, binds, certificates, entries, listeners, wildcards
from monitor.errors import ProxyError


def test_entries_are_cut_at_slashes_and_longest_first() -> None:
    routes = [
        ServiceRoute("a", (RouteSpec(("Shop.test.",), "/"), RouteSpec(("shop.test",), "/api/", strip=True))),
        ServiceRoute("b", (RouteSpec((), "/", strip=True),)),
    ]
    found = [(entry.key, entry.service, entry.strip) for entry in entries(routes, ProxySettings())]
    assert found == [("*/", "b", False), ("shop.test/api/", "a", True), ("shop.test/", "a", False)]


def test_the_most_specific_wildcard_comes_first() -> None:
    routes = [ServiceRoute("a", (RouteSpec(("*.test", "*.eu.shop.test", "*.shop.test", "shop.test")),))]
    assert wildcards(entries(routes, ProxySettings())) == ["*.eu.shop.test", "*.shop.test", "*.test"]


def test_https_where_there_is_a_certificate() -> None:
    own = TlsFiles("own.pem")
    routes = [ServiceRoute("a", (RouteSpec(("a.test",), tls=own), RouteSpec(("b.test",))))]
    assert [entry.secured for entry in entries(routes, ProxySettings())] == ["s", ""]
    assert [entry.secured for entry in entries(routes, ProxySettings(tls=TlsFiles("all.pem")))] == ["s", "s"]
    assert [entry.secured for entry in entries(routes, ProxySettings(redirect_https=False))] == ["", ""]


def test_automatic_certificates_are_for_names_alone() -> None:
    """By route or by the proxy's default; a route's own file wins, and an entry for every host has no name."""
    own = TlsFiles("own.pem")
    routes = [
        ServiceRoute("b", (RouteSpec(("B.test.", "a.test"), tls="auto"), RouteSpec(()))),
        ServiceRoute("a", (RouteSpec(("c.test",)), RouteSpec(("d.test",), tls=own), RouteSpec(("a.test",), "/x"))),
    ]
    assert automatic(routes, ProxySettings()) == {"a.test": "b", "b.test": "b"}
    everywhere = ProxySettings(tls="auto")
    assert automatic(routes, everywhere) == {"a.test": "a", "b.test": "b", "c.test": "a"}
    assert [(entry.key, entry.secured) for entry in entries(routes, everywhere)] == [
        ("*/", ""),
        ("a.test/x/", "a.test"),
        ("a.test/", "a.test"),
        ("b.test/", "b.test"),
        ("c.test/", "c.test"),
        ("d.test/", "s"),
    ]
    assert [found.files for found in certificates(routes, everywhere)] == [own]
    assert "0.0.0.0:443" in binds(routes, ProxySettings())


def test_certificates_come_once_with_their_hosts_and_the_default_first() -> None:
    shared, default = TlsFiles("shared.pem"), TlsFiles("all.pem", "all.key")
    routes = [
        ServiceRoute("a", (RouteSpec(("B.test",), tls=shared), RouteSpec(("x.test",), tls=default))),
        ServiceRoute("b", (RouteSpec(("a.test", "b.test"), tls=shared),)),
    ]
    found = certificates(routes, ProxySettings(tls=default))
    assert [(certificate.files, certificate.hosts) for certificate in found] == [
        (default, ()),
        (shared, ("a.test", "b.test")),
    ]


def test_internal_ports() -> None:
    routes = [
        ServiceRoute("a", internal="A.internal:80"),
        ServiceRoute("b", internal="b.internal:80"),
        ServiceRoute("c", internal="c.internal:90"),
        ServiceRoute("d"),
    ]
    shared, alone = listeners(routes)
    assert (shared.port, shared.services, shared.only) == (80, (("a.internal", "a"), ("b.internal", "b")), None)
    assert (alone.port, alone.only) == (90, "c")


def test_an_address_serves_one_purpose() -> None:
    settings = ProxySettings(listen=("127.0.0.1:80",))
    assert list(binds([ServiceRoute("a", internal="a:81")], settings)) == ["127.0.0.1:80", "127.0.0.1:81"]
    with pytest.raises(ProxyError, match=r"127\.0\.0\.1:80 is wanted twice: proxy\.listen and internal of a"):
        binds([ServiceRoute("a", internal="a:80")], settings)


def test_routes_come_from_specs_slots_and_flags() -> None:
    """A worker has none; a service without slots has one all the same."""
    specs = [
        ServiceSpec("web", "i", port=3000, route=(RouteSpec(),), health=HealthPolicy(path="/up")),
        ServiceSpec("api", "i", port=3000, internal="api:80"),
        ServiceSpec("worker", "i"),
    ]
    slot = Slot(20000, "v1", "ready")
    routes = service_routes(specs, {"web": {"blue": slot}, "gone": {}}, {"web": ServiceFlags(maintenance=True)})
    assert routes == [
        ServiceRoute("api", internal="api:80"),
        ServiceRoute("web", (RouteSpec(),), slots={"blue": slot}, maintenance=True, check_path="/up"),
    ]
