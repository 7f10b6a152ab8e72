"""Containers reached by their own address: where they are put, who else may stand there, and how hosts come over."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

import docker
import pytest
from docker.types import IPAMConfig, IPAMPool

from monitor.domain.deploy.records import Release
from monitor.errors import Conflict
from monitor.services.deploy import doctor, lifecycle
from monitor.services.deploy.deployer import DeployService
from tests.support.stage import REPOSITORY, Stage
from tests.support.wait import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.proxy]

FORMER = """
ALTER TABLE slots DROP COLUMN address; ALTER TABLE slots DROP COLUMN via; ALTER TABLE releases DROP COLUMN address
"""


def inspected(client: Any, release: Release) -> dict[str, Any]:
    return dict(client.api.inspect_container(release.container))


def address_of(client: Any, release: Release) -> str:
    """What the engine says, whatever is on record."""
    networks = inspected(client, release)["NetworkSettings"]["Networks"]
    (found,) = {one["IPAddress"] for one in networks.values() if one["IPAddress"] == release.address}
    return str(found)


def finding(stage: Stage) -> doctor.Finding:
    (found,) = [one for one in doctor.examine(stage.deps(), ["core"]) if one.check == "reach"]
    return found


@contextlib.contextmanager
def stranger(client: Any, network: str, address: str, name: str) -> Iterator[str]:
    """A container that nobody of bgmon made, answering HTTP as `stranger` at an address."""
    made = client.api.create_container(
        f"{REPOSITORY}:v2",
        name=name,
        networking_config=client.api.create_networking_config(
            {network: client.api.create_endpoint_config(ipv4_address=address)}
        ),
        host_config=client.api.create_host_config(network_mode=network),
    )
    try:
        client.api.start(made["Id"])
        yield made["Id"]
    finally:
        client.api.remove_container(made["Id"], force=True)


def test_a_container_is_reached_by_its_own_address_and_keeps_it(stage: Stage, docker_client: Any) -> None:
    release = stage.deploy("v1")
    state = inspected(docker_client, release)
    assert state["HostConfig"]["PortBindings"] in (None, {})
    assert release.port == 3000
    assert address_of(docker_client, release) == release.address
    assert stage.version() == "v1"
    assert stage.app().proxy.slots("core")["blue"].address == release.address
    assert finding(stage).text.startswith("containers are reached by their addresses: the bridge of network")
    # Docker's own restart, and a stop and a start by hand
    docker_client.api.kill(release.container)
    docker_client.api.start(release.container)
    wait_until(lambda: stage.answer()[0] == 200)
    lifecycle.restart(stage.deps(), "core", wait=5)
    assert address_of(docker_client, release) == release.address
    again = [stage.deploy(tag) for tag in ("v2", "v1", "v2")]
    assert [one.address for one in again][1] == release.address
    assert len({one.address for one in [release, *again]}) == 2
    assert stage.version() == "v2"


def test_a_container_of_somebody_else_is_given_no_address_of_a_slot(stage: Stage, docker_client: Any) -> None:
    """Whoever asks for none gets one of the upper half of the subnet."""
    release = stage.deploy("v1")
    network = docker_client.networks.list(names=[f"^{stage.project}$"])[0]
    subnet = IPv4Network(network.attrs["IPAM"]["Config"][0]["Subnet"])
    lower, upper = (half for half in subnet.subnets())
    other = docker_client.containers.run(
        f"{REPOSITORY}:v1", network=network.name, name=f"{stage.project}-x", detach=True
    )
    try:
        other.reload()
        assert IPv4Network(other.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]).subnet_of(upper)
        assert IPv4Network(release.address).subnet_of(lower)
    finally:
        other.remove(force=True)


def test_a_stranger_at_a_slots_address_gets_no_traffic(stage: Stage, docker_client: Any) -> None:
    """Neither from a deploy, nor while the container that the address belongs to is down."""
    blue = stage.deploy("v1")
    green_address = str(IPv4Network(f"{blue.address}/32")[0] + 1)
    with stranger(docker_client, stage.project, green_address, f"{stage.project}-first"):
        second = stage.deploy("v1")
        assert second.address not in (blue.address, green_address)
        assert stage.version() == "v1"
    docker_client.api.update_container(second.container, restart_policy={"Name": "no"})
    docker_client.api.kill(second.container)
    with stranger(docker_client, stage.project, second.address, f"{stage.project}-second") as its:
        deployer = DeployService(stage.deps())
        assert deployer.reroute() == [
            f"core: no traffic to {second.address}, which container {its[:12]} has, and not its own"
        ]
        assert deployer.reroute() == []
        assert stage.answer()[0] == 503
        lifecycle.start(stage.deps(), "core", wait=5)
        moved = stage.app().store.active("core")
        assert moved is not None
        assert moved.address != second.address
        assert address_of(docker_client, moved) == moved.address
        assert stage.version() == "v1"
        assert deployer.reroute() == []


def test_traffic_comes_back_once_the_stranger_has_left(stage: Stage, docker_client: Any) -> None:
    release = stage.deploy("v1")
    docker_client.api.stop(release.container, timeout=0)
    with stranger(docker_client, stage.project, release.address, f"{stage.project}-other"):
        DeployService(stage.deps()).reroute()
        assert stage.answer()[0] == 503
    docker_client.api.start(release.container)
    assert DeployService(stage.deps()).reroute() == ["core: traffic goes to blue again"]
    assert stage.version() == "v1"


@pytest.mark.parametrize("own_subnet", [True, False], ids=["network with a subnet", "network of an older version"])
def test_a_host_with_the_former_version_comes_over_with_its_next_deploy(
    stage: Stage, docker_client: Any, own_subnet: bool
) -> None:
    """Its state file knows no addresses, its containers publish ports: no request is lost on the way."""
    if not own_subnet:
        docker_client.networks.create(stage.project, driver="bridge", labels={"bgmon.project": stage.project})
    stage.config["proxy"]["reach"] = "port"
    stage.write()
    former = stage.deploy("v1")
    assert former.address == "127.0.0.1"
    assert finding(stage).text == "containers are reached by published ports: proxy.reach is port"
    database = sqlite3.connect(next((stage.folder / "state").rglob("state.db")))
    database.executescript(FORMER)
    database.execute("DELETE FROM migrations WHERE name LIKE '0003%'")
    database.commit()
    database.close()
    del stage.config["proxy"]["reach"]
    stage.write()
    with stage.load() as load:
        assert stage.version() == "v1"
        release = stage.deploy("v2")
        assert stage.version() == "v2"
        back = stage.deploy("v1")
    assert load.failures == []
    assert {release.port, back.port} == {3000}
    assert back.address != release.address
    assert address_of(docker_client, back) == back.address


def test_a_subnet_of_ones_own(stage: Stage, docker_client: Any) -> None:
    stage.config["proxy"]["subnet"] = "10.213.44.0/26"
    stage.write()
    release = stage.deploy("v1")
    assert release.address == "10.213.44.2"
    stage.config["proxy"]["subnet"] = "10.213.45.0/26"
    stage.write()
    with pytest.raises(Conflict, match=r"has the subnet 10\.213\.44\.0/26, and proxy\.subnet is 10\.213\.45\.0/26"):
        stage.deploy("v2")
    assert stage.version() == "v1"


def test_a_subnet_that_is_taken_is_refused_and_says_by_whom(stage: Stage, docker_client: Any) -> None:
    pool = IPAMPool(subnet="10.213.46.0/24")
    silent = {"com.docker.network.bridge.inhibit_ipv4": "true"}  # no route on this host
    other = docker_client.networks.create(f"{stage.project}-vpc", options=silent, ipam=IPAMConfig(pool_configs=[pool]))
    stage.config["proxy"]["subnet"] = "10.213.46.128/26"
    stage.write()
    try:
        with pytest.raises(Conflict, match=rf"overlaps with network {other.name} \(10\.213\.46\.0/24\)"):
            stage.deploy("v1")
    finally:
        other.remove()
    plain = docker_client.networks.create(f"{stage.project}-vpn", ipam=IPAMConfig(pool_configs=[pool]))
    try:
        bridge = f"br-{plain.id[:12]}"
        with pytest.raises(Conflict, match=rf"overlaps with 10\.213\.46\.0/24, which this host reaches by {bridge}"):
            stage.deploy("v1")
    finally:
        plain.remove()
    assert stage.deploy("v1").address == "10.213.46.130"


def test_a_network_that_was_removed_by_hand_is_made_again(stage: Stage, docker_client: Any) -> None:
    release = stage.deploy("v1")
    docker_client.api.stop(release.container, timeout=0)
    network = docker_client.networks.list(names=[f"^{stage.project}$"])[0]
    with contextlib.suppress(docker.errors.APIError):
        network.disconnect(release.container, force=True)
    network.remove()
    DeployService(stage.deps()).recreate("core")
    again = stage.app().store.active("core")
    assert again is not None
    assert address_of(docker_client, again) == again.address
    wait_until(lambda: stage.answer()[0] == 200)
