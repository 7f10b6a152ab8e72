"""Services that are deployed side by side share one network."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path

import docker
import docker.types
import pytest

from monitor.adapters.docker.engine import DockerEngine
from monitor.adapters.docker.subnets import subnets_of
from monitor.domain.names import LABEL_POOL, LABEL_PROJECT
from monitor.errors import EngineError
from tests.support.private_engine import PrivateEngine

pytestmark = pytest.mark.engine


def test_a_network_that_several_ask_for_at_once_is_made_once(
    docker_client: docker.DockerClient, docker_host: str, project: str
) -> None:
    engines = [DockerEngine(docker_host) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(engine.ensure_network, project, {LABEL_PROJECT: project})
            for engine in engines
            for _ in range(4)
        ]
    for future in asked:
        future.result()
    for engine in engines:
        engine.close()
    assert len([network for network in docker_client.networks.list() if network.name == project]) == 1


def fill(client: docker.DockerClient, but: IPv4Network | None) -> None:
    """Take all of Docker's default pools but one, by networks that put no route on this host."""
    for base in (IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")):
        parts = base.address_exclude(but) if but is not None and but.subnet_of(base) else [base]
        for part in parts:
            ipam = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=str(part))])
            silent = {"com.docker.network.bridge.inhibit_ipv4": "true"}
            client.networks.create(f"stranger-{part.network_address}", driver="bridge", options=silent, ipam=ipam)


@pytest.fixture
def engine_alone(tmp_path: Path) -> Iterator[PrivateEngine]:
    """An engine with Docker's default pools and no network but its own."""
    private = PrivateEngine(tmp_path)
    yield private
    for network in private.client.networks.list(filters={"type": "custom"}):
        network.remove()
    private.close()


@pytest.mark.private_engine
def test_networks_of_many_projects_are_cut_out_of_one_address_pool(engine_alone: PrivateEngine) -> None:
    engine, client = DockerEngine(engine_alone.url), engine_alone.client
    for number in range(20):
        engine.ensure_network(f"many{number}", {LABEL_PROJECT: f"many{number}"})
        engine.ensure_network(f"many{number}-services", {LABEL_PROJECT: f"many{number}"}, internal=True)
    networks = [network.attrs for network in client.networks.list(filters={"type": "custom"})]
    assert len(networks) == 40  # and none that only asked for a pool
    (pool,) = {network["Labels"][LABEL_POOL] for network in networks}
    subnets = [subnet for network in networks for subnet in subnets_of(network)]
    assert {subnet.prefixlen for subnet in subnets} == {24}
    assert len(set(subnets)) == 40
    fill(client, IPv4Network(pool))
    with pytest.raises(docker.errors.APIError, match="address pool"):
        client.networks.create("one-more", driver="bridge")
    engine.ensure_network("one-more", {LABEL_PROJECT: "one-more"})
    engine.close()
    assert client.networks.list(names=["one-more"])[0].attrs["Labels"][LABEL_POOL] == pool


@pytest.mark.private_engine
def test_an_engine_without_a_free_pool_says_who_holds_them_and_what_to_do(engine_alone: PrivateEngine) -> None:
    engine, client = DockerEngine(engine_alone.url), engine_alone.client
    fill(client, None)
    with pytest.raises(EngineError, match="no address pool of the engine is free") as caught:
        engine.ensure_network("late", {LABEL_PROJECT: "late"})
    engine.close()
    assert "stranger-172.16.0.0 (172.16.0.0/12)" in str(caught.value)
    assert "no container uses stranger-172.16.0.0, stranger-192.168.0.0: docker network prune" in caught.value.hint
    assert "default-address-pools" in caught.value.hint
    assert client.networks.list(names=["late"]) == []


def test_what_a_killed_process_left_is_cleared_away(
    docker_client: docker.DockerClient, docker_host: str, project: str
) -> None:
    docker_client.networks.create(f"{project}-subnet", driver="bridge", labels={LABEL_PROJECT: project})
    engine = DockerEngine(docker_host)
    engine._networks._fresh_pool(f"{project}-subnet", {LABEL_PROJECT: project})
    engine.close()
    assert [one.name for one in docker_client.networks.list(names=[project])] == []


def test_a_container_keeps_its_address_when_it_gets_other_names(
    docker_client: docker.DockerClient, docker_host: str, project: str, busybox_image: str
) -> None:
    """The network's subnet is an explicit one, so that addresses may be given at wish."""
    engine = DockerEngine(docker_host)
    engine.ensure_network(project, {LABEL_PROJECT: project})
    container = docker_client.containers.run(
        busybox_image, ["/bin/sh", "-c", "sleep 600"], detach=True, network=project, stop_signal="SIGKILL",
        labels={LABEL_PROJECT: project},
    )  # fmt: skip
    container.reload()
    address = container.attrs["NetworkSettings"]["Networks"][project]["IPAddress"]
    other = docker_client.containers.run(
        busybox_image, ["/bin/sh", "-c", "sleep 600"], detach=True, network=project, stop_signal="SIGKILL",
        labels={LABEL_PROJECT: project},
    )  # fmt: skip
    engine.realias(project, container.id, ("core",))
    engine.close()
    container.reload()
    assert container.attrs["NetworkSettings"]["Networks"][project]["IPAddress"] == address
    other.remove(force=True)
