"""Restart, stop, start, maintenance and removal: who serves, what is on record, what is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.domain.containers import ContainerSpec
from monitor.errors import BgmonError, EngineError, GateFailed, LockedError, ProxyError, UsageError
from monitor.services.deploy import lifecycle
from monitor.services.deploy.deps import DeployDeps
from tests.support.deploys import IMAGE, Killed, Tap, World, world

COMMANDS: dict[str, Callable[[DeployDeps], None]] = {
    "restart": lambda deps: lifecycle.restart(deps, "core"),
    "stop": lambda deps: lifecycle.stop(deps, "core"),
    "start": lambda deps: lifecycle.start(deps, "core"),
    "maintenance": lambda deps: lifecycle.maintenance(deps, "core", on=True),
    "remove": lambda deps: lifecycle.remove(deps, "core"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_waits_for_nobody_else_to_change_the_service(shop: World, command: str) -> None:
    with shop.locks.acquire("core", wait=0, purpose="deploy"), pytest.raises(LockedError):
        COMMANDS[command](shop.deps())
    assert shop.store.flags("core").stopped_by == ""
    shop.assert_settled("v1")


@pytest.mark.parametrize("command", ["restart", "stop", "start"])
def test_what_was_never_deployed_is_named(command: str) -> None:
    with world() as made, pytest.raises(UsageError, match="core was never deployed here"):
        COMMANDS[command](made.deps())


def test_a_restart_keeps_the_container_and_its_traffic(shop: World) -> None:
    before = shop.active()
    began = shop.engine.inspect(before.container)
    shop.clock.advance(10)
    lifecycle.restart(shop.deps(), "core")
    after = shop.engine.inspect(before.container)
    assert began is not None
    assert after is not None
    assert after.started_at != began.started_at
    assert shop.assert_settled("v1") == before
    assert shop.told("restarted") == ["restarted"]


def test_a_restart_that_does_not_get_healthy_says_why(shop: World) -> None:
    shop.sick.add("v1")
    with pytest.raises(GateFailed, match="status 503"):
        lifecycle.restart(shop.deps(), "core")
    assert shop.told("restarted") == []


@pytest.mark.parametrize("command", ["restart", "start"])
def test_a_container_that_was_removed_is_made_again_on_its_port(shop: World, command: str) -> None:
    before = shop.active()
    shop.engine.remove(before.container)
    COMMANDS[command](shop.deps())
    after = shop.assert_settled("v1")
    assert after.container != before.container
    assert (after.deploy, after.port, after.color) == (before.deploy, before.port, before.color)
    assert shop.engine.specs[after.container].env["TOKEN"] == "t0p-s3cret"


def test_a_stop_drains_first_is_remembered_and_a_start_ends_it(shop: World) -> None:
    shop.proxy.calls.clear()
    shop.engine.calls.clear()
    lifecycle.stop(shop.deps(), "core")
    active = shop.active()
    container = shop.engine.inspect(active.container)
    assert container is not None
    assert container.state == "exited"
    assert shop.proxy.target("core") is None
    assert shop.store.slots("core")[active.color].state == "maint"
    flags = shop.store.flags("core")
    assert flags.stopped_by == "ann"
    assert flags.stopped_at is not None
    assert flags.stopped_at <= shop.clock.now()
    assert ("set_weights", "core") in shop.proxy.calls  # no new requests before those under way were let go on
    assert shop.told("stopped") == ["stopped; it stays so until: bgmon start core"]
    lifecycle.start(shop.deps(), "core")
    assert shop.store.flags("core").stopped_by == ""
    assert shop.assert_settled("v1") == active


def test_a_start_of_what_runs_changes_nothing_but_the_wish(shop: World) -> None:
    before = shop.active()
    starts = [call for call in shop.engine.calls if call[0] == "start"]
    lifecycle.start(shop.deps(), "core")
    assert [call for call in shop.engine.calls if call[0] == "start"] == starts
    assert shop.assert_settled("v1") == before


def test_a_stop_that_the_engine_refuses_is_no_wish(shop: World) -> None:
    shop.engine.fail("stop", EngineError("cannot stop"))
    with pytest.raises(EngineError):
        lifecycle.stop(shop.deps(), "core")
    assert shop.store.flags("core").stopped_by == ""


def test_a_stop_needs_no_proxy(shop: World) -> None:
    shop.proxy.crash()
    lifecycle.stop(shop.deps(), "core")
    container = shop.engine.inspect(shop.active().container)
    assert container is not None
    assert not container.running
    assert len(shop.told("warning")) == 1
    assert "the proxy was not told" in shop.told("warning")[0]


def test_a_deploy_of_what_was_stopped_wants_it_to_run(shop: World) -> None:
    lifecycle.stop(shop.deps(), "core")
    shop.deploy("v2")
    assert shop.store.flags("core").stopped_by == ""
    shop.assert_settled("v2")


def test_maintenance_is_shown_recorded_and_taken_away(shop: World) -> None:
    lifecycle.maintenance(shop.deps(), "core", on=True)
    assert shop.proxy.under_maintenance == {"core"}
    assert shop.store.flags("core").maintenance
    assert [route.maintenance for route in shop.proxy.saved] == [True]  # so that a proxy that restarts shows it too
    lifecycle.maintenance(shop.deps(), "core", on=False)
    assert shop.proxy.under_maintenance == set()
    assert not shop.store.flags("core").maintenance
    assert [route.maintenance for route in shop.proxy.saved] == [False]
    assert shop.told("maintenance") == ["maintenance is on", "maintenance is off"]


def test_maintenance_that_the_proxy_refuses_is_not_recorded(shop: World) -> None:
    shop.proxy.fail(ProxyError("no"))
    with pytest.raises(ProxyError):
        lifecycle.maintenance(shop.deps(), "core", on=True)
    assert not shop.store.flags("core").maintenance


def assert_gone(shop: World) -> None:
    assert shop.engine.containers({"bgmon.project": "shop"}) == []
    assert shop.own.made() == []
    assert shop.store.services() == []
    assert shop.store.releases("core") == []
    assert shop.store.slots("core") == {}
    assert not list((shop.folder / "kept").glob("*"))


def test_a_removal_leaves_no_container_record_secret_or_traffic(shop: World) -> None:
    shop.deploy("v2")
    lifecycle.remove(shop.deps(), "core")
    assert_gone(shop)
    assert shop.proxy.target("core") is None
    assert [route.slots for route in shop.proxy.saved] == [{}]
    shop.deploy("v3")  # and it can come back
    shop.assert_settled("v3")


@pytest.mark.parametrize("trouble", ["proxy down", "container gone"])
def test_a_removal_needs_neither_the_proxy_nor_the_container(shop: World, trouble: str) -> None:
    if trouble == "proxy down":
        shop.proxy.crash()
    else:
        shop.engine.remove(shop.active().container)
    lifecycle.remove(shop.deps(), "core")
    assert_gone(shop)


def test_a_removal_of_what_is_not_here_is_no_error() -> None:
    with world() as made:
        lifecycle.remove(made.deps(), "core")
        assert_gone(made)


def test_a_container_that_only_looks_like_the_service_is_named_and_left_alone(shop: World) -> None:
    copy = shop.engine.create(
        ContainerSpec("a-copy", f"{IMAGE}:v1", {"bgmon.project": "shop", "bgmon.service": "core"})
    )
    lifecycle.remove(shop.deps(), "core")
    assert [one.id for one in shop.engine.containers({"bgmon.project": "shop"})] == [copy.id]
    assert any(copy.id[:12] in text and "left alone" in text for text in shop.told("warning"))


def test_what_a_killed_deploy_left_is_settled_before_a_command(shop: World) -> None:
    with pytest.raises(Killed):
        shop.deploy("v2", Tap(("proxy.switch", 1)))
    lifecycle.restart(shop.deps(), "core")
    assert len(shop.told("recovered")) == 1
    shop.assert_settled("v1")


def test_a_command_on_what_was_never_deployed_says_what_to_do() -> None:
    with world() as made, pytest.raises(BgmonError) as raised:
        lifecycle.stop(made.deps(), "core")
    assert raised.value.hint == "bgmon deploy core"
