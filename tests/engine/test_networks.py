"""Services that are deployed side by side share one network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
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


def fill(client: docker.DockerClient, made: list[str]) -> None:
    """Make networks as other tools do, until the engine refuses."""
    for number in range(40):
        client.networks.create(f"stranger{number}", driver="bridge")
        made.append(f"stranger{number}")


@pytest.mark.private_engine
def test_many_projects_take_one_address_pool_and_a_full_engine_says_what_to_do(tmp_path: Path) -> None:
    """On an engine of its own, with Docker's default pools: 31."""
    private = PrivateEngine(tmp_path)
    engine, client = DockerEngine(private.url), private.client
    made: list[str] = []
    try:
        for number in range(20):
            for name in (f"many{number}", f"many{number}-services"):
                engine.ensure_network(name, {LABEL_PROJECT: f"many{number}"}, internal=name.endswith("-services"))
                made.append(name)
        networks = [network.attrs for network in client.networks.list(filters={"label": LABEL_PROJECT})]
        assert sorted(network["Name"] for network in networks) == sorted(made)  # nothing else was left behind
        assert len({network["Labels"][LABEL_POOL] for network in networks}) == 1
        subnets = [subnet for network in networks for subnet in subnets_of(network)]
        assert {subnet.prefixlen for subnet in subnets} == {24}
        assert len(set(subnets)) == len(made)
        with pytest.raises(docker.errors.APIError, match="IPv4 address pool|address pools"):  # until the engine is full
            fill(client, made)
        engine.ensure_network("one-more", {LABEL_PROJECT: "one-more"})  # there is room in our own
        made.append("one-more")
        engine.remove_network(made.pop())
        for name in [name for name in made if name.startswith("many")]:
            engine.remove_network(name)
            made.remove(name)
        client.networks.create("last-pool", driver="bridge")
        made.append("last-pool")
        with pytest.raises(EngineError, match="no address pool of the engine is free") as caught:
            engine.ensure_network("late", {LABEL_PROJECT: "late"})
        assert "docker network prune" in caught.value.hint
        assert "default-address-pools" in caught.value.hint
        assert "stranger0" in str(caught.value)
    finally:
        for name in made:
            engine.remove_network(name)
        engine.close()
        private.close()


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
