"""Requests go to a service's own container, or nowhere: what is done when another one has its address."""

from __future__ import annotations

from dataclasses import replace

from monitor.domain.containers import ContainerSpec
from monitor.services.deploy.deployer import DeployService
from tests.support.deploys import IMAGE, World, world

NETWORK = "shop"


def stranger(shop: World) -> str:
    """core's container is gone, and another one has its address."""
    active = shop.active()
    shop.engine.stop(active.container, 1)
    made = shop.engine.create(ContainerSpec("stranger", f"{IMAGE}:v1", network=NETWORK, address=active.address))
    shop.engine.start(made.id)
    return made.id


def test_a_stranger_at_its_address_gets_no_requests_until_it_is_gone(shop: World) -> None:
    service, address = DeployService(shop.deps()), shop.active().address
    other = stranger(shop)
    assert service.reroute() == [f"core: no traffic to {address}, which container {other[:12]} has, and not its own"]
    assert shop.proxy.slots("core")["blue"].state == "maint"
    assert shop.store.slots("core")["blue"].state == "ready"
    assert service.reroute() == []
    shop.engine.remove(other)
    shop.engine.start(shop.active().container)
    assert service.reroute() == ["core: traffic goes to blue again"]
    shop.assert_settled("v1")


def test_whoever_is_at_work_on_the_service_shuts_nobody_out(shop: World) -> None:
    stranger(shop)
    with shop.locks.acquire("core", wait=0, purpose="deploy"):
        assert DeployService(shop.deps()).reroute() == []
    assert shop.proxy.target("core") == "blue"


def test_a_stranger_at_an_address_that_the_proxy_does_not_know_is_nothing_to_shut_out(shop: World) -> None:
    stranger(shop)
    shop.proxy.live.clear()
    assert DeployService(shop.deps()).reroute() == []


def test_what_a_person_stopped_gets_its_requests_back_by_its_start_alone(shop: World) -> None:
    active = shop.active()
    shop.proxy.close("core", active.color)
    flags = shop.store.flags("core")
    shop.store.set_flags("core", replace(flags, stopped_by="ann", stopped_at=shop.clock.now()))
    assert DeployService(shop.deps()).reroute() == []
    assert shop.proxy.target("core") is None
    shop.store.set_flags("core", flags)
    assert DeployService(shop.deps()).reroute() == ["core: traffic goes to blue again"]


def test_a_service_that_is_reached_by_a_port_has_no_address_that_another_could_have() -> None:
    with world() as made:
        made.host.no_way = "the bridge is elsewhere"
        made.deploy("v1")
        made.engine.stop(made.active().container, 1)
        made.engine.calls.clear()
        assert DeployService(made.deps()).reroute() == []
        assert "network" not in [name for name, _ in made.engine.calls]
        assert made.proxy.target("core") == "blue"
