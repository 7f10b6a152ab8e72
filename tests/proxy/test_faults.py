"""What breaks around the proxy, and what is left of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from monitor.adapters.haproxy.runtime import RuntimeSocket
from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.proxy.routes import Slot
from monitor.errors import ProxyError, ProxyUnreachable
from tests.support.hammer import Hammer
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

pytestmark = pytest.mark.proxy


def master(world: ProxyWorld) -> int:
    return int((world.folder / "proxy" / "haproxy.pid").read_text())


@pytest.mark.parametrize("kind", ["world", "boxed"])
def test_a_port_taken_by_a_stranger(kind: str, request: pytest.FixtureRequest) -> None:
    """The message holds HAProxy's words, the port and what to do; nothing is left running."""
    world: ProxyWorld = request.getfixturevalue(kind)
    with socket.create_server(("127.0.0.1", world.port)):
        with pytest.raises(ProxyError, match=rf"did not start: .*127\.0\.0\.1:{world.port}") as caught:
            world.driver.boot([route()])
        assert "ss -ltnp" in caught.value.hint
    assert not world.driver.status().running
    assert world.driver.boot([route()])


def test_a_new_listener_whose_port_is_taken(
    world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int]
) -> None:
    """The reload fails in words; the old configuration goes on serving, and is what a restart would come back with."""
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    world.driver.boot([core])
    before = (world.folder / "proxy" / "haproxy.cfg").read_bytes()
    taken = free_port()
    with (
        socket.create_server(("127.0.0.1", taken)),
        pytest.raises(ProxyError, match=rf"did not reload and goes on as before: .*{taken}"),
    ):
        world.driver.save_config([core, route("shop", RouteSpec(path="/shop"), internal=f"shop.internal:{taken}")])
    assert world.get()[0] == 200
    assert world.driver.slots("core")["blue"].state == "ready"
    assert (world.folder / "proxy" / "haproxy.cfg").read_bytes() == before
    assert world.driver.save_config([core, route("shop", RouteSpec(path="/shop"), internal=f"shop.internal:{taken}")])


@pytest.mark.parametrize("kind", ["world", "boxed"])
def test_a_killed_proxy_comes_back_as_persisted(
    kind: str, request: pytest.FixtureRequest, servers: list[Upstream]
) -> None:
    """A container by its restart policy, a process by `boot`; what was only live is what was persisted, or gone."""
    world: ProxyWorld = request.getfixturevalue(kind)
    old, new = servers
    world.driver.boot([route(blue=Slot(old.port, "v1", "ready"))])
    world.driver.stage("core", "green", new.port, "v2")
    world.driver.switch("core", "green")
    after = [route(blue=Slot(old.port, "v1", "drain"), green=Slot(new.port, "v2", "ready"))]
    assert not world.driver.save_config(after)
    if kind == "world":
        os.killpg(master(world), signal.SIGKILL)
        wait_until(lambda: not _runs(world))
        with pytest.raises(ProxyUnreachable):
            world.driver.switch("core", "blue")
        assert world.driver.boot(after)
    else:
        client = docker.from_env()
        pid = client.containers.get(f"{world.project}-proxy").attrs["State"]["Pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: client.containers.get(f"{world.project}-proxy").attrs["RestartCount"] == 1)
        wait_until(lambda: _runs(world))
        client.close()
    assert world.get()[1] == "new GET /"
    assert world.driver.slots("core")["blue"].state == "maint"


def _runs(world: ProxyWorld) -> bool:
    try:
        return bool(world.driver.status().running)
    except ProxyUnreachable:
        return False


def test_a_configuration_broken_by_hand_is_healed(world: ProxyWorld, servers: list[Upstream]) -> None:
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    world.driver.boot([core])
    config = world.folder / "proxy" / "haproxy.cfg"
    good = config.read_bytes()
    config.write_text("nonsense\n")
    (world.folder / "proxy" / "hosts.map").unlink()
    assert world.get()[0] == 200
    assert not world.driver.save_config([core])
    assert config.read_bytes() == good
    world.driver.reload([core])
    assert world.get()[0] == 200


def test_what_haproxy_does_not_take_changes_nothing(world: ProxyWorld, servers: list[Upstream]) -> None:
    """Its own message is quoted, and neither the files nor the running proxy change."""
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    world.driver.boot([core])
    before = (world.folder / "proxy" / "haproxy.cfg").read_bytes()
    world.make(listen=(f"127.0.0.1:{world.port}", "no-such-host.invalid:80"))
    for call in (world.driver.validate_config, world.driver.save_config, world.driver.reload):
        with pytest.raises(ProxyError, match=r"no-such-host\.invalid"):
            call([core])
    assert (world.folder / "proxy" / "haproxy.cfg").read_bytes() == before
    assert not (world.folder / "proxy" / "check").exists()
    assert world.get()[0] == 200


def test_what_was_rehearsed_is_not_checked_again(world: ProxyWorld, servers: list[Upstream], tmp_path: Path) -> None:
    """Once, and only the very same: the next one is checked as ever."""
    called, binary = tmp_path / "called", tmp_path / "haproxy"
    binary.write_text(f'#!/bin/sh\necho "$@" >>{called}\nexec {shutil.which("haproxy")} "$@"\n')
    binary.chmod(0o755)
    world.make(binary=str(binary))
    old, new = servers
    before, after = route(blue=Slot(old.port, "v1", "ready")), route(blue=Slot(new.port, "v2", "ready"))
    world.driver.boot([before])

    def checks() -> int:
        return sum(line.startswith("-c ") for line in called.read_text().splitlines())

    counts = [checks()]
    calls: tuple[Callable[[], object], ...] = (
        lambda: world.driver.validate_config([before]),  # what is in place needs none
        lambda: world.driver.validate_config([after]),
        lambda: world.driver.save_config([after]),
        lambda: world.driver.save_config([before]),
        lambda: world.driver.save_config([after]),
    )
    for call in calls:
        call()
        counts.append(checks())
    assert counts == [1, 1, 2, 2, 3, 4]


def test_a_socket_that_is_gone(world: ProxyWorld, servers: list[Upstream]) -> None:
    """Running but out of reach is said as such; traffic is not touched; a boot puts it right."""
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    world.driver.boot([core])
    (world.folder / "proxy" / "admin.sock").unlink()
    for call in (world.driver.status, lambda: world.driver.switch("core", "green")):
        with pytest.raises(ProxyUnreachable, match=r"admin\.sock"):
            call()
    assert world.get()[0] == 200
    assert world.driver.boot([core])
    assert world.driver.slots("core")["blue"].state == "ready"


def test_a_proxy_that_hangs(world: ProxyWorld) -> None:
    """Commands end by their time-out."""
    world.driver.boot([route()])
    os.killpg(master(world), signal.SIGSTOP)

    def hangs() -> bool:  # a stopped process stops a moment later than it is told to
        try:
            RuntimeSocket(world.folder / "proxy", "admin.sock", timeout=0.3).ask("show info")
        except ProxyUnreachable as error:
            return "did not answer within" in str(error)
        return False

    try:
        assert wait_until(hangs)
    finally:
        os.killpg(master(world), signal.SIGCONT)


def test_no_such_program(world: ProxyWorld) -> None:
    world.make(binary="no-such-haproxy")
    with pytest.raises(ProxyError, match="no-such-haproxy: there is no such program"):
        world.driver.boot([route()])


def test_a_strangers_container_is_left_alone(boxed: ProxyWorld, docker_client: docker.DockerClient) -> None:
    name = f"{boxed.project}-proxy"
    docker_client.containers.create(boxed.image, name=name)
    with pytest.raises(ProxyError, match="is not one of bgmon's"):
        boxed.driver.boot([route()])
    stranger = docker_client.containers.get(name)
    assert stranger.status == "created"
    stranger.remove()


def test_a_new_image_takes_over_without_refusing_a_connection(
    boxed: ProxyWorld, docker_client: docker.DockerClient, servers: list[Upstream]
) -> None:
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    boxed.driver.boot([core])
    name = f"{boxed.project}-proxy"
    before = docker_client.containers.get(name)
    upgraded = before.commit(repository=f"bgmon-test/{boxed.project}", tag="next")
    try:
        boxed.make(image=f"bgmon-test/{boxed.project}:next")
        with Hammer(boxed.port, keep_alive=False) as hammer:
            boxed.driver.reload([core])
            hammer.more(60)
        assert not hammer.failures
        after = docker_client.containers.get(name)
        assert after.id != before.id
        assert after.image.id == upgraded.id
        left = docker_client.containers.list(all=True, filters={"label": f"bgmon.project={boxed.project}"})
        assert [container.name for container in left] == [name]
        assert boxed.driver.slots("core")["blue"].state == "ready"

        os.kill(after.attrs["State"]["Pid"], signal.SIGKILL)  # it needs nobody to take sockets over from
        wait_until(lambda: docker_client.containers.get(name).attrs["RestartCount"] == 1)
        wait_until(lambda: _runs(boxed))
        assert boxed.get()[0] == 200
    finally:
        boxed.driver.remove()
        docker_client.images.remove(upgraded.id, force=True)
