"""Only the recorded container is the proxy; what has its names or its labels is somebody else's."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import docker
import pytest

from monitor.adapters.docker.log_source.source import DockerLogSource
from monitor.adapters.docker.log_source.transport import EngineHttp
from monitor.adapters.host.clock import SystemClock
from monitor.domain.containers import ContainerSpec
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.rules import LogRule
from monitor.domain.proxy.routes import Slot
from monitor.errors import ProxyError, ProxyUnreachable
from monitor.services.watchdog.daemon import Daemon
from monitor.services.watchdog.proxywatch import ProxyWatch
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until
from tests.support.watched import Watched

pytestmark = [pytest.mark.engine, pytest.mark.proxy]

FORGED_LINE = '{"service":"core","status":500,"duration_us":9000000,"path":"/forged"}'


def proxy_of(world: ProxyWorld, client: docker.DockerClient) -> Any:
    (made,) = world.own.made("proxy")
    return client.containers.get(made.id)


def forged(world: ProxyWorld, client: docker.DockerClient, image: str, **options: Any) -> Any:
    """A stranger's container with all the labels of the proxy, which writes lines like the access log's."""
    script = f"echo '{FORGED_LINE}'; sleep 600"
    return client.containers.run(
        image, ["/bin/sh", "-c", script], detach=True, network_mode="none", stop_signal="SIGKILL",
        labels=proxy_of(world, client).labels, name=f"{world.project}-debug", **options,
    )  # fmt: skip


@pytest.mark.parametrize("labelled", [False, True], ids=["stranger", "lookalike"])
def test_names_that_are_taken_are_an_error_and_their_containers_are_left_alone(
    boxed: ProxyWorld, docker_client: docker.DockerClient, servers: list[Upstream], labelled: bool
) -> None:
    labels = {"bgmon.project": boxed.project, "bgmon.service": "proxy", "bgmon.kind": "access"} if labelled else {}
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    made = {
        suffix: docker_client.containers.create(boxed.image, name=f"{boxed.project}-{suffix}", labels=labels)
        for suffix in ("proxy", "proxy-check", "proxy-previous")
    }
    for suffix in ("proxy-check", "proxy"):
        with pytest.raises(ProxyError, match=f"the container {boxed.project}-{suffix} is not one of bgmon's") as caught:
            boxed.driver.boot([core])
        assert f"docker rename {boxed.project}-{suffix}" in caught.value.hint
        boxed.driver.remove()
        made.pop(suffix).remove()  # the stranger itself is still there to be removed
    boxed.driver.boot([core])
    upgraded = proxy_of(boxed, docker_client).commit(repository=f"bgmon-test/{boxed.project}", tag="next")
    try:
        boxed.make(image=f"bgmon-test/{boxed.project}:next")
        with pytest.raises(ProxyError, match=f"{boxed.project}-proxy-previous is not one of bgmon's"):
            boxed.driver.reload([core])
        assert boxed.get()[0] == 200
        boxed.driver.remove()
        made.pop("proxy-previous").remove()
    finally:
        boxed.driver.remove()
        docker_client.images.remove(upgraded.id, force=True)
    assert made == {}


def test_what_a_killed_check_left_is_cleared_away(
    boxed: ProxyWorld, docker_client: docker.DockerClient, servers: list[Upstream]
) -> None:
    left = boxed.own.create(ContainerSpec(f"{boxed.project}-proxy-check", boxed.image), "proxy-check")
    boxed.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    assert docker_client.containers.list(all=True, filters={"id": left.id}) == []
    assert boxed.own.made("proxy-check") == []


def test_a_proxy_that_was_renamed_is_still_the_proxy(
    boxed: ProxyWorld, docker_client: docker.DockerClient, servers: list[Upstream]
) -> None:
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    boxed.driver.boot([core])
    proxy = proxy_of(boxed, docker_client)
    proxy.rename(f"{boxed.project}-renamed")
    boxed.driver.reload([core, route("other")])
    assert boxed.get()[0] == 200
    boxed.driver.remove()
    assert docker_client.containers.list(all=True, filters={"id": proxy.id}) == []


def test_a_copy_under_the_name_of_a_removed_proxy_is_not_the_proxy(
    boxed: ProxyWorld, docker_client: docker.DockerClient, servers: list[Upstream], busybox_image: str
) -> None:
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    boxed.driver.boot([core])
    folder = str(boxed.folder / "proxy")
    copy = forged(boxed, docker_client, busybox_image, volumes=[f"{folder}:{folder}"])
    proxy_of(boxed, docker_client).remove(force=True)
    copy.rename(f"{boxed.project}-proxy")
    with pytest.raises(ProxyError, match="is not one of bgmon's"):
        boxed.driver.boot([core])
    copy.reload()
    assert copy.status == "running"


def test_the_proxy_of_an_earlier_version_is_taken_over(
    boxed: ProxyWorld, docker_client: docker.DockerClient, servers: list[Upstream]
) -> None:
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    boxed.driver.boot([core])
    proxy = proxy_of(boxed, docker_client)
    with boxed.database.transaction() as db:
        db.execute("DELETE FROM proxy_recorded")
        db.execute("DELETE FROM containers")  # the earlier version kept no record of it
    assert proxy_of(boxed, docker_client).id == proxy.id
    boxed.driver.reload([core, route("other")])
    assert proxy_of(boxed, docker_client).id == proxy.id
    boxed.driver.remove()
    assert docker_client.containers.list(all=True, filters={"id": proxy.id}) == []


def test_a_forged_access_log_counts_for_nothing(
    boxed: ProxyWorld, docker_client: docker.DockerClient, servers: list[Upstream], busybox_image: str
) -> None:
    boxed.driver.boot([route(blue=Slot(servers[0].port, "v1", "ready"))])
    stranger = forged(boxed, docker_client, busybox_image)
    wait_until(lambda: FORGED_LINE.encode() in stranger.logs(), what="the forged line is there")
    for _ in range(3):
        assert boxed.get()[0] == 200
    wait_until(lambda: len(boxed.log()) == 3, what="the access log is written")
    url = os.environ["DOCKER_HOST"]
    source = DockerLogSource(EngineHttp(url), boxed.project, {"core": LogRule()}, boxed.own.knows)
    try:
        counted = Counts()
        cursor: Any = {}
        for _ in range(2):
            batch = source.collect(cursor, time.time())
            cursor = batch.cursor
            counted.add(batch.counts.get("core", Counts()))
        assert (counted.lines, counted.codes) == (3, {"200": 3})
        assert source.window(["core"], 0, time.time() + 1)["core"].codes == {"200": 3}
    finally:
        source.close()


def test_a_strangers_stop_is_nobodys_wish_and_the_killed_proxy_is_started_again(
    boxed: ProxyWorld,
    docker_client: docker.DockerClient,
    servers: list[Upstream],
    busybox_image: str,
    tmp_path: Path,
) -> None:
    core = route(blue=Slot(servers[0].port, "v1", "ready"))
    boxed.driver.boot([core])
    watched = Watched(tmp_path, boxed.project, os.environ["DOCKER_HOST"])

    def make_proxy(stopped: Any) -> ProxyWatch:
        return ProxyWatch(
            boxed.driver, lambda: [core], watched.deployer, needed=lambda: True, stopped=stopped,
            locks=watched.locks, alerts=watched.alerts, clock=SystemClock(),
        )  # fmt: skip

    try:
        daemon = watched.watch(make_proxy=make_proxy)
        stranger = forged(boxed, docker_client, busybox_image)
        stranger.stop(timeout=0)
        seen = _events_until_now(daemon, docker_client, stranger)
        assert seen
        before = proxy_of(boxed, docker_client)
        before.update(restart_policy={"Name": "no"})  # Docker does not start it again
        os.kill(before.attrs["State"]["Pid"], signal.SIGKILL)
        wait_until(lambda: _started_after(boxed, before.id), what="the proxy is started again", timeout=60)
        assert boxed.get()[0] == 200
        after = proxy_of(boxed, docker_client)
        after.stop(timeout=1)  # and a person's stop still is a wish
        wait_until(
            lambda: "left alone" in getattr(watched.alerts.open.get(("proxy-down", "")), "detail", ""),
            what="the stop is taken for a wish", timeout=60,
        )  # fmt: skip
        stranger.reload()
        assert stranger.status == "exited"
    finally:
        watched.close()


def _started_after(world: ProxyWorld, before: str) -> bool:
    """Whether another proxy than the one with that id answers."""
    if [one.id for one in world.own.made("proxy")] in ([], [before]):
        return False
    with contextlib.suppress(ProxyUnreachable):
        return bool(world.driver.status().running)
    return False


def _events_until_now(daemon: Daemon, client: docker.DockerClient, container: Any) -> bool:
    """Whether the daemon has taken in all that the engine told of this container."""
    told = client.events(since=0, until=int(time.time()) + 1, filters={"container": container.id}, decode=True)
    last = max(event["timeNano"] for event in told)
    return bool(wait_until(lambda: (daemon.pump.last_ns or 0) >= last, what="the daemon saw the stranger's events"))
