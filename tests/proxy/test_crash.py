"""The crash cushion: a container that dies and comes back is a slow moment, not a failed request."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from typing import Any

import docker
import pytest

from monitor.adapters.docker.engine import DockerEngine
from monitor.domain.names import LABEL_PROJECT
from monitor.domain.proxy.routes import Slot
from tests.support.hammer import Hammer
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

pytestmark = [pytest.mark.proxy, pytest.mark.engine]

# Half a second to boot, in which Docker's userland proxy already accepts connections.
_SERVER = "echo hello > /tmp/index.html; sleep 0.5; exec httpd -f -p 3000 -h /tmp"


@pytest.fixture
def container(
    docker_client: docker.DockerClient, project: str, busybox_image: str, free_port: Callable[[], int]
) -> Iterator[tuple[Any, int]]:
    port = free_port()
    made = docker_client.containers.run(
        busybox_image,
        ["sh", "-c", _SERVER],
        name=f"{project}-core-blue",
        labels={LABEL_PROJECT: project},
        ports={"3000/tcp": ("127.0.0.1", port)},
        restart_policy={"Name": "always"},
        init=True,
        detach=True,
    )
    yield made, port
    made.remove(force=True)


def kill(container: Any) -> None:
    """As a crash does it, so that the restart policy brings it back."""
    container.reload()
    before = container.attrs["RestartCount"]
    with contextlib.suppress(docker.errors.APIError):
        container.exec_run(["sh", "-c", "kill -9 $(pidof httpd)"])

    def restarted() -> bool:
        container.reload()
        return bool(container.attrs["RestartCount"] > before)

    wait_until(restarted, what="the restart")


def test_a_killed_container_is_a_slow_moment(world: ProxyWorld, container: tuple[Any, int]) -> None:
    """While it is down, nothing fails: what breaks is at most what was under way when it died, for each client once."""
    made, port = container
    world.driver.boot([route(blue=Slot(port, "v1", "ready"))])
    wait_until(lambda: world.get("/index.html")[0] == 200)
    kills, clients = 2, 8
    with Hammer(world.port, clients=clients, methods=("GET", "GET", "GET", "POST"), path="/index.html") as hammer:
        for _ in range(kills):
            kill(made)
            wait_until(lambda: world.get("/index.html")[0] == 200)
            hammer.more(60)
    assert hammer.failures.pop("POST 501") > 20  # busybox's answer to a POST is an answer
    reads = sum(count for failure, count in hammer.failures.items() if failure.startswith("GET"))
    assert reads <= kills * clients // 2
    assert hammer.good["GET"] > 80


@pytest.fixture
def network(docker_client: docker.DockerClient, docker_host: str, project: str) -> Any:
    """One of the test's own, with a subnet of its own, named as its project."""
    with contextlib.closing(DockerEngine(docker_host)) as engine:
        engine.ensure_network(project, {LABEL_PROJECT: project})
    return docker_client.networks.get(project)


@pytest.mark.parametrize("reuse", [True, False], ids=["kept open", "closed"])
def test_no_read_is_lost_when_a_container_is_killed_under_clients_that_keep_their_connections(
    world: ProxyWorld, docker_client: docker.DockerClient, network: Any, shop_image: str, reuse: bool
) -> None:
    """By its own address, where no userland proxy stands between: each client has a request there when it dies.

    The address is a fixed one, as bgmon gives it: any other may be another container's while this one is down.
    """
    address = str(IPv4Network(network.attrs["IPAM"]["Config"][0]["Subnet"])[5])
    made = docker_client.containers.run(
        shop_image,
        name=f"{network.name}-core-blue",
        labels={LABEL_PROJECT: network.name},
        environment={"LOG_FORMAT": "none"},
        restart_policy={"Name": "always"},
        init=True,
        detach=True,
        network=network.name,
        networking_config={network.name: docker_client.api.create_endpoint_config(ipv4_address=address)},
    )
    try:
        world.make(reuse_connections=reuse)
        world.driver.boot([route(blue=Slot(3000, "v1", "ready", address=address))])
        wait_until(lambda: world.get("/health")[0] == 200)
        with Hammer(world.port, clients=8, path="/slow?ms=5", pause=0) as hammer:
            for _ in range(3):
                hammer.more(100)
                made.reload()
                os.kill(made.attrs["State"]["Pid"], signal.SIGKILL)
                wait_until(lambda: world.get("/health")[0] == 200)
                hammer.more(100)
        assert hammer.failures == {}
    finally:
        made.remove(force=True)


def test_what_waits_for_a_dead_slot_goes_to_the_one_switched_to(world: ProxyWorld, servers: list[Upstream]) -> None:
    """A request that is parked, a write included, is answered by the other color as soon as that has the traffic."""
    old, new = servers
    world.driver.boot([route(blue=Slot(old.port, "v1", "ready"))])
    old.stop()
    answers: list[tuple[int, str]] = []
    waiting = threading.Thread(target=lambda: answers.append(world.get(method="POST")))
    waiting.start()
    assert world.driver.slots("core")["blue"].state == "ready"
    world.driver.stage("core", "green", new.port, "v2")
    world.driver.switch("core", "green")
    waiting.join(20)
    assert answers == [(200, "new POST /")]


def test_a_slot_that_stays_dead_shows_the_page_after_the_tries(world: ProxyWorld, servers: list[Upstream]) -> None:
    world.make(retries=3, timeouts={"connect": "50ms"})
    servers[0].stop()
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    assert world.get()[0] == 503
    assert wait_until(world.log)[-1]["status"] == 503


def test_a_service_that_only_answers_500_is_not_parked(world: ProxyWorld, servers: list[Upstream]) -> None:
    """Errors of the service itself are the service's answers, also after ten in a row."""
    world.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    assert [world.get("/status/500")[0] for _ in range(60)] == [500] * 60
    assert world.driver.counters("core")["blue"].requests == 60
