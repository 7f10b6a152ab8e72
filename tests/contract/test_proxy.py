"""The Proxy port: the fake, HAProxy as a process and HAProxy as a container keep the same promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.proxy.routes import Slot
from monitor.errors import ProxyError, ProxyUnreachable
from monitor.ports.proxy import Proxy
from monitor.testing.proxy import FakeProxy
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream, upstreams


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Upstream]]:
    with upstreams("old", "new") as started:
        yield started


@pytest.fixture(
    params=[
        "fake",
        pytest.param("process", marks=pytest.mark.proxy),
        pytest.param("container", marks=pytest.mark.proxy),
    ]
)
def proxy(
    request: pytest.FixtureRequest, tmp_path: Path, free_port: Callable[[], int], servers: list[Upstream]
) -> Iterator[Proxy]:
    if request.param == "fake":
        yield FakeProxy()
        return
    project, image = request.getfixturevalue("project"), request.getfixturevalue("haproxy_image")
    world = ProxyWorld(request.param, tmp_path, project, image, free_port)
    yield world.driver
    world.close()


def ready(server: Upstream, version: str = "v1") -> Slot:
    return Slot(port=server.port, version=version, state="ready")


def states(proxy: Proxy, service: str = "core") -> dict[str, Any]:
    return {color: slot.state for color, slot in proxy.slots(service).items()}


def test_a_hold_takes_the_traffic_away_and_a_switch_ends_it(proxy: Proxy, servers: list[Upstream]) -> None:
    old, new = servers
    proxy.boot([route(blue=ready(old))])
    for _ in range(2):
        proxy.hold("core")
        assert states(proxy) == {"blue": "drain", "green": "maint"}
    proxy.stage("core", "green", new.port, "v2")
    proxy.switch("core", "green")
    assert states(proxy) == {"blue": "drain", "green": "ready"}
    proxy.hold("core")
    proxy.switch("core", "blue")
    assert states(proxy) == {"blue": "ready", "green": "drain"}
    with pytest.raises(ProxyError, match="does not know"):
        proxy.hold("nobody")


def test_the_way_of_a_deploy(proxy: Proxy, servers: list[Upstream]) -> None:
    """Boot, stage, switch, persist, close: every step shows in `slots`, and none of them reloads."""
    old, new = servers
    assert proxy.boot([route(blue=ready(old)), route("idle", RouteSpec(path="/idle"))])
    assert not proxy.boot([]), "it runs already, and goes on with what it has"
    status = proxy.status()
    assert status.running
    assert status.services == ("core", "idle")
    assert status.version
    assert states(proxy) == {"blue": "ready", "green": "maint"}
    assert states(proxy, "idle") == {"blue": "maint", "green": "maint"}

    for _ in range(2):  # whoever comes after a killed deployer does it again
        proxy.stage("core", "green", new.port, "v2")
        assert states(proxy) == {"blue": "ready", "green": "maint"}
        assert proxy.slots("core")["green"].port == new.port

    after = [route(blue=Slot(old.port, "v1", "drain"), green=ready(new, "v2")), route("idle", RouteSpec(path="/idle"))]
    proxy.validate_config(after)
    assert states(proxy) == {"blue": "ready", "green": "maint"}

    proxy.switch("core", "green")
    assert states(proxy) == {"blue": "drain", "green": "ready"}
    assert proxy.slots("core")["blue"].sessions == 0
    assert not proxy.save_config(after)

    proxy.close("core", "blue")
    assert states(proxy) == {"blue": "maint", "green": "ready"}
    assert proxy.counters("core")["green"].errors == 0


def test_weights(proxy: Proxy, servers: list[Upstream]) -> None:
    """Weights let both take requests; a weight of 0 takes none, and a switch ends it."""
    old, new = servers
    proxy.boot([route(blue=ready(old))])
    proxy.stage("core", "green", new.port, "v2")
    proxy.set_weights("core", {"blue": 90, "green": 10})
    assert {color: (slot.state, slot.weight) for color, slot in proxy.slots("core").items()} == {
        "blue": ("ready", 90),
        "green": ("ready", 10),
    }
    proxy.switch("core", "blue")
    assert states(proxy) == {"blue": "ready", "green": "drain"}
    assert proxy.slots("core")["blue"].weight == 100
    proxy.set_weights("core", {"blue": 0, "green": 0})
    assert states(proxy) == {"blue": "drain", "green": "drain"}


def test_a_switch_leaves_an_empty_slot_closed(proxy: Proxy, servers: list[Upstream]) -> None:
    proxy.boot([route()])
    proxy.stage("core", "blue", servers[0].port, "v1")
    proxy.switch("core", "blue")
    assert states(proxy) == {"blue": "ready", "green": "maint"}
    proxy.switch("core", "blue")
    assert states(proxy) == {"blue": "ready", "green": "maint"}


def test_a_new_service_needs_a_reload_and_keeps_the_others(proxy: Proxy, servers: list[Upstream]) -> None:
    core = route(blue=ready(servers[0]))
    proxy.boot([core])
    assert proxy.carries([route()])
    assert not proxy.carries([core, route("shop", RouteSpec(path="/shop"))])
    assert proxy.save_config([core, route("shop", RouteSpec(path="/shop"))])
    assert proxy.carries([core, route("shop", RouteSpec(path="/shop"))])
    assert not proxy.save_config([core, route("shop", RouteSpec(path="/shop"))])
    assert proxy.status().services == ("core", "shop")
    assert states(proxy) == {"blue": "ready", "green": "maint"}
    assert proxy.save_config([core])
    assert proxy.status().services == ("core",)


def test_a_reload_brings_back_what_it_is_given(proxy: Proxy, servers: list[Upstream]) -> None:
    """What is only live is gone; a slot that was draining comes back closed."""
    old, new = servers
    proxy.boot([route(blue=ready(old))])
    proxy.stage("core", "green", new.port, "v2")
    proxy.switch("core", "green")
    proxy.reload([route(blue=ready(old), green=Slot(new.port, "v2", "drain"))])
    assert states(proxy) == {"blue": "ready", "green": "maint"}
    assert proxy.slots("core")["green"].port == new.port


def test_challenges_and_certificates_need_no_reload(proxy: Proxy, servers: list[Upstream]) -> None:
    routes = [route("core", RouteSpec(("a.test",), tls="auto"), blue=ready(servers[0]))]
    with pytest.raises((ProxyError, ProxyUnreachable)):
        proxy.set_challenges({"a": "b"})
    proxy.boot(routes)
    proxy.set_challenges({"token": "token.answer", "other": "other.answer"})
    proxy.set_challenges({"token": "token.answer"})
    proxy.load_certificates(routes)
    proxy.set_challenges({})
    assert proxy.carries(routes)
    assert states(proxy) == {"blue": "ready", "green": "maint"}


def test_an_unknown_service_is_refused(proxy: Proxy) -> None:
    proxy.boot([route()])
    calls: list[Callable[[], object]] = [
        lambda: proxy.slots("nobody"),
        lambda: proxy.stage("nobody", "blue", 20000, "v1"),
        lambda: proxy.switch("nobody", "blue"),
        lambda: proxy.set_weights("nobody", {"blue": 50, "green": 50}),
        lambda: proxy.close("nobody", "blue"),
        lambda: proxy.counters("nobody"),
        lambda: proxy.maintenance("nobody", True),
    ]
    for call in calls:
        with pytest.raises(ProxyError):
            call()


def test_a_proxy_that_does_not_run(proxy: Proxy, servers: list[Upstream]) -> None:
    """`status` says so, `persist` still writes, everything live is unreachable, `remove` is no error."""
    assert not proxy.status().running
    assert not proxy.save_config([route(blue=ready(servers[0]))])
    with pytest.raises(ProxyUnreachable):
        proxy.slots("core")
    with pytest.raises(ProxyUnreachable):
        proxy.switch("core", "blue")
    proxy.remove()
    assert not proxy.status().running
