"""Where a candidate is reached: its address or port, taken by a stranger or not to be had; networks and names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from monitor.domain.containers import ContainerSpec, Network
from monitor.domain.proxy.reach import LOOPBACK
from monitor.errors import Conflict, EngineError, EngineUnreachable
from monitor.services.deploy import finish
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployRequest
from monitor.services.deploy.reach import holders, look, ready_reach
from tests.support.deploys import IMAGE, World, world

OUR_NETWORK = "shop"
SERVICES = "shop-services"


@pytest.fixture
def by_ports() -> Iterator[World]:
    with world() as made:
        made.host.no_way = "the bridge is elsewhere"
        made.deploy("v1")
        yield made


def before_starts(made: World, monkeypatch: pytest.MonkeyPatch, do: Callable[[str], None], times: int) -> list[str]:
    """`do` is called with the container's id before each of the next starts; the ids so far."""
    start = made.engine.start
    started: list[str] = []

    def meanwhile(ref: str) -> None:
        if len(started) < times:
            started.append(ref)
            do(ref)
        start(ref)

    monkeypatch.setattr(made.engine, "start", meanwhile)
    return started


def stranger_at_port(made: World) -> Callable[[str], None]:
    def take(ref: str) -> None:
        for _, port in made.published(ref):
            made.engine.ports_taken.add(port)
            made.host.taken.add(port)

    return take


def stranger_at_address(made: World) -> Callable[[str], None]:
    """Another container starts at the address, as soon as the candidate's is about to."""
    start = made.engine.start

    def take(ref: str) -> None:
        candidate = made.engine.life.containers[ref]
        address = candidate.addresses[OUR_NETWORK]
        name = f"stranger-at-{address}"
        start(made.engine.create(ContainerSpec(name, f"{IMAGE}:v1", network=OUR_NETWORK, address=address)).id)

    return take


# -- an address or port that a stranger takes --


def test_a_port_that_is_taken_before_the_start_is_given_up_for_another(
    by_ports: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = by_ports.active().port
    tried = before_starts(by_ports, monkeypatch, stranger_at_port(by_ports), times=1)
    release = by_ports.deploy("v2")
    by_ports.assert_settled("v2")
    assert release.address == LOOPBACK
    (given_up,) = by_ports.host.taken
    assert release.port not in (first, given_up)
    assert by_ports.engine.inspect(tried[0]) is None
    assert by_ports.told("warning") == [f"port {given_up} was taken by another program; trying another"]


def test_an_address_that_is_taken_before_the_start_is_given_up_for_another(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = before_starts(shop, monkeypatch, stranger_at_address(shop), times=1)
    release = shop.deploy("v2")
    (warning,) = shop.told("warning")
    taken = warning.split()[1]
    assert warning == f"address {taken} was taken by another program; trying another"
    assert release.address != taken
    assert shop.engine.inspect(tried[0]) is None
    shop.assert_settled("v2")


def test_after_five_ports_that_were_taken_the_deploy_fails_and_the_old_one_serves(
    by_ports: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = before_starts(by_ports, monkeypatch, stranger_at_port(by_ports), times=5)
    with pytest.raises(Conflict, match="already allocated"):
        by_ports.deploy("v2")
    assert len(tried) == 5
    assert len(by_ports.told("warning")) == 4
    by_ports.assert_settled("v1")


@pytest.mark.parametrize("no_way", ["", "the bridge is elsewhere"])
def test_a_conflict_over_anything_else_is_no_reason_to_try_another_place(no_way: str) -> None:
    with world() as made:
        made.host.no_way = no_way
        made.deploy("v1")
        made.engine.fail("start", Conflict("the device is in use"))
        with pytest.raises(Conflict, match="the device is in use"):
            made.deploy("v2")
        assert made.told("warning") == []
        made.assert_settled("v1")


def test_when_no_port_is_left_it_says_how_to_get_more(by_ports: World) -> None:
    by_ports.host.taken = set(range(20000, 20100))
    with pytest.raises(EngineError, match="no free port left in 20000-20099") as caught:
        by_ports.deploy("v2")
    assert "proxy.ports" in caught.value.hint
    by_ports.assert_settled("v1")


def test_when_no_address_is_left_it_says_how_to_get_more(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    network = shop.engine.network

    def full(name: str) -> Network | None:
        found = network(name)
        if found is None:
            return None
        every = {f"172.30.{third}.{last}": "somebody" for third in range(256) for last in range(256)}
        return replace(found, holders=every)

    monkeypatch.setattr(shop.engine, "network", full)
    with pytest.raises(EngineError, match=f"no address is left in network {OUR_NETWORK}") as caught:
        shop.deploy("v2")
    assert "proxy.subnet" in caught.value.hint
    monkeypatch.undo()
    shop.assert_settled("v1")


# -- how this host gets there --


def test_by_ports_where_the_file_says_so(shop: World) -> None:
    release = deploy(shop.deps(reach="port"), DeployRequest(spec=shop.spec(), image=f"{IMAGE}:v2", version="v2"))
    assert (release.address, release.port) == (LOOPBACK, 20000)
    assert look(shop.deps(reach="port")).why == "proxy.reach is port"


def test_by_address_or_not_at_all_where_the_file_says_so(shop: World) -> None:
    shop.host.no_way = "the bridge is elsewhere"
    with pytest.raises(EngineError, match="proxy.reach is address, but the bridge is elsewhere") as caught:
        deploy(shop.deps(reach="address"), DeployRequest(spec=shop.spec(), image=f"{IMAGE}:v2", version="v2"))
    assert "set proxy.reach to auto" in caught.value.hint
    shop.assert_settled("v1")


def test_before_the_first_deploy_there_is_no_network() -> None:
    with world() as made:
        reach = look(made.deps())
        assert reach.network is None
        assert "the first deploy makes it" in reach.why
        assert holders(made.deps()) == {}


def test_beside_a_network_that_gives_no_address_at_wish_another_is_made(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = shop.engine.network

    def older(name: str) -> Network | None:
        found = network(name)
        return replace(found, chosen=False) if found is not None and name == OUR_NETWORK else found

    monkeypatch.setattr(shop.engine, "network", older)
    reach = ready_reach(shop.deps())
    assert reach.network is not None
    assert reach.network.name == "shop-slots"
    release = shop.deploy("v2")
    container = shop.engine.inspect(release.container)
    assert container is not None
    assert container.addresses["shop-slots"] == release.address
    assert OUR_NETWORK in container.networks
    assert holders(shop.deps())[release.address] == release.container


def test_who_has_which_address_is_unknown_while_the_engine_is_away(shop: World) -> None:
    assert holders(shop.deps())[shop.active().address] == shop.active().container
    shop.engine.reachable = False
    assert holders(shop.deps()) == {}


@pytest.mark.parametrize(("subnet", "fits"), [("10.1.0.0/24", False), ("10.2.0.0/24", True)])
def test_a_subnet_that_this_host_reaches_elsewhere_is_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, subnet: str, fits: bool
) -> None:
    with world() as made:
        monkeypatch.setattr(made.host, "routes", lambda: [("10.1.0.0/16", "eth0")])
        request = DeployRequest(spec=made.spec(), image=f"{IMAGE}:v1", version="v1")
        if fits:
            deploy(made.deps(subnet=subnet), request)
            assert made.engine.subnets[OUR_NETWORK] == subnet
            assert made.active().address.startswith("10.2.0.")
            return
        with pytest.raises(Conflict, match=r"overlaps with 10\.1\.0\.0/16, which this host reaches by eth0"):
            deploy(made.deps(subnet=subnet), request)
        assert made.engine.networks == {}
        assert made.engine.containers({}) == []


# -- the network on which services find each other --


def worker(made: World, name: str = "worker", version: str = "v1") -> str:
    """Deploy a service without a port beside `core`."""
    before = made.section
    made.section = {key: value for key, value in before.items() if key not in ("port", "health")}
    made.section["health"] = {"settle": "0s"}
    try:
        return made.deploy(version, service=name).container
    finally:
        made.section = before


def aliases(made: World, ref: str) -> tuple[str, ...]:
    return made.engine.life.containers[ref].networks.get(SERVICES, ())


def test_one_service_alone_needs_no_network_to_be_found_on(shop: World) -> None:
    shop.deploy("v2")
    assert SERVICES not in shop.engine.networks


def test_the_second_service_makes_the_network_and_takes_the_first_along(shop: World) -> None:
    second = worker(shop)
    assert shop.engine.networks[SERVICES] == ({"bgmon.project": "shop"}, True)
    assert aliases(shop, shop.active().container) == ("core",)
    assert aliases(shop, second) == ("worker",)
    third = shop.deploy("v2").container
    assert aliases(shop, third) == ("core",)


def test_one_whose_container_is_gone_is_left_out(shop: World) -> None:
    shop.engine.remove(shop.active().container)
    second = worker(shop)
    assert aliases(shop, second) == ("worker",)
    network = shop.engine.network(SERVICES)
    assert network is not None
    assert network.members == {second}


def test_a_name_that_cannot_be_given_afterwards_fails_no_deploy(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise EngineUnreachable("connection refused")

    monkeypatch.setattr(finish, "introduce", away)
    shop.deploy("v2")
    assert shop.told("warning") == ["other services may not find it by its name: connection refused"]
    shop.assert_settled("v2")
