"""One network where one does, and names that other services find."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.stage import REPOSITORY, Stage

pytestmark = [pytest.mark.engine, pytest.mark.proxy]

RESOLVE = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"


def networks(stage: Stage, client: Any) -> dict[str, Any]:
    """What the engine says of each network of the project, by its name."""
    found = client.networks.list(filters={"label": f"bgmon.project={stage.project}"})
    return {network.name: client.api.inspect_network(network.id) for network in found}


def second_service(stage: Stage, name: str = "api") -> None:
    section = copy.deepcopy(stage.config["services"]["core"])
    section["route"] = {"path": f"/{name}"}
    stage.config["services"][name] = section
    stage.write()


def resolved(stage: Stage, asking: str, name: str) -> str:
    """The address that `name` has for the container of service `asking`; empty when it has none."""
    return stage.run("exec", asking, "python3", "-c", RESOLVE, name).stdout.strip()


def test_a_project_with_one_service_has_one_small_network(stage: Stage, docker_client: Any) -> None:
    stage.deploy("v1")
    stage.deploy("v2")
    found = networks(stage, docker_client)
    assert list(found) == [stage.project]
    subnet = found[stage.project]["IPAM"]["Config"][0]["Subnet"]
    assert int(subnet.partition("/")[2]) >= 24


def test_the_service_that_comes_second_takes_the_first_along(stage: Stage, docker_client: Any) -> None:
    first = stage.deploy("v1").container
    second_service(stage)
    second = stage.deploy("v1", "api").container
    inner = networks(stage, docker_client)[f"{stage.project}-services"]
    assert inner["Internal"]
    assert set(inner["Containers"]) == {first, second}
    assert resolved(stage, "api", "core") == inner["Containers"][first]["IPv4Address"].partition("/")[0]
    assert resolved(stage, "core", "api") == inner["Containers"][second]["IPv4Address"].partition("/")[0]
    third = stage.deploy("v2").container
    assert set(networks(stage, docker_client)[f"{stage.project}-services"]["Containers"]) == {second, third}


def test_two_first_deploys_side_by_side_find_each_other(stage: Stage, docker_client: Any) -> None:
    second_service(stage)
    stage.run("deploy", "core", "api", "--tag", "v1", check=True)
    assert len(networks(stage, docker_client)[f"{stage.project}-services"]["Containers"]) == 2
    assert resolved(stage, "api", "core")
    assert resolved(stage, "core", "api")


def test_the_networks_of_an_earlier_version_go_on_working(stage: Stage, docker_client: Any) -> None:
    labels = {"bgmon.project": stage.project}
    outer = docker_client.networks.create(stage.project, driver="bridge", labels=labels)
    inner = docker_client.networks.create(f"{stage.project}-services", driver="bridge", labels=labels, internal=True)
    release = stage.deploy("v1")
    found = networks(stage, docker_client)
    slots = found.pop(f"{stage.project}-slots")  # the engine gives out no fixed address on the others
    assert {network["Id"] for network in found.values()} == {outer.id, inner.id}
    assert slots["Containers"][release.container]["IPv4Address"].partition("/")[0] == release.address
    assert set(networks(stage, docker_client)[f"{stage.project}-services"]["Containers"]) == {release.container}
    neighbour = docker_client.containers.run(  # a container of the user's own, which asks by name
        f"{REPOSITORY}:v1", network=inner.name, name=f"{stage.project}-cron", detach=True
    )
    assert neighbour.exec_run(["python3", "-c", RESOLVE, "core"]).exit_code == 0
