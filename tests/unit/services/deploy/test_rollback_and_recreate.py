"""Going back, making again, and what the watchdog asks of deploys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.domain.containers import ContainerSpec
from monitor.errors import Conflict, EngineError, EngineUnreachable, UsageError
from monitor.services.deploy.deployer import DeployService, roll_back
from monitor.testing.engine_containers import Behaviour
from tests.support.deploys import IMAGE, Killed, Tap, World, world


@pytest.fixture
def shop() -> Iterator[World]:
    with world(deploy={"bake": "0s", "drain": "1s", "stop": "1s", "keep_images": 3}) as made:
        made.deploy("v1")
        made.environ["TOKEN"] = "n3w-s3cret"
        made.deploy("v2")
        yield made


@pytest.fixture
def by_ports() -> Iterator[World]:
    """As `shop`, on a host that reaches containers by published ports alone."""
    with world(deploy={"bake": "0s", "drain": "1s", "stop": "1s", "keep_images": 3}) as made:
        made.host.no_way = "the engine is elsewhere"
        made.deploy("v1")
        made.deploy("v2")
        yield made


def back(shop: World, **how: object) -> str:
    shop.clock.advance(1)
    return roll_back(shop.deps(), "core", **how).version  # type: ignore[arg-type]


def test_a_rollback_brings_the_image_and_the_secrets_of_then(shop: World) -> None:
    assert back(shop) == "v1"
    active = shop.assert_settled("v1")
    assert shop.engine.specs[active.container].env["TOKEN"] == "t0p-s3cret"
    assert [record.kind for record in shop.store.deploys("core", limit=1)] == ["rollback"]


def test_a_rollback_with_todays_settings_takes_todays_secrets(shop: World) -> None:
    assert back(shop, current=shop.spec()) == "v1"
    assert shop.engine.specs[shop.active().container].env["TOKEN"] == "n3w-s3cret"


def test_a_rollback_goes_to_the_version_or_the_deploy_that_is_named(shop: World) -> None:
    first = shop.store.releases("core")[-1]
    shop.deploy("v3")
    assert back(shop, to="v1") == "v1"
    assert back(shop, to=first.deploy) == "v1"
    assert back(shop, previous=True) == "v1"


def test_a_rollback_to_what_is_not_recorded_says_what_is(shop: World) -> None:
    with pytest.raises(UsageError, match="no good release of version v9") as raised:
        back(shop, to="v9")
    assert raised.value.hint == "recorded: v1"
    shop.assert_settled("v2")


def test_a_rollback_of_what_was_never_deployed_is_refused() -> None:
    with world() as made, pytest.raises(UsageError, match="never deployed"):
        roll_back(made.deps(), "core")


def test_a_rollback_of_a_release_that_was_replaced_meanwhile_does_nothing(shop: World) -> None:
    with pytest.raises(UsageError, match="v2 was deployed meanwhile"):
        back(shop, bad=shop.store.releases("core")[-1].deploy)
    shop.assert_settled("v2")


def test_the_watchdog_rolls_back_the_release_that_it_means(shop: World) -> None:
    shop.clock.advance(1)
    assert DeployService(shop.deps()).rollback("core", "it crash-loops", shop.active().deploy) == "v1"
    assert shop.told("warning") == ["rolling back: it crash-loops"]
    shop.assert_settled("v1")


# -- made again --


def recreate(shop: World) -> None:
    shop.clock.advance(1)
    DeployService(shop.deps()).recreate("core")


def test_a_container_is_made_again_while_the_old_one_lies_there(shop: World) -> None:
    before = shop.active()
    shop.engine.stop(before.container, 1)
    recreate(shop)
    after = shop.assert_settled("v2")
    assert after.container != before.container
    assert after.deploy == before.deploy
    assert shop.engine.inspect(before.container) is None


def test_it_moves_to_another_port_where_a_stranger_took_its_own(by_ports: World) -> None:
    shop = by_ports
    before = shop.active()
    assert before.port is not None
    shop.engine.remove(before.container)
    shop.host.taken.add(before.port)
    recreate(shop)
    after = shop.assert_settled("v2")
    assert after.port not in (None, before.port)


def test_an_image_that_was_pruned_by_hand_is_pulled_before_the_old_container_goes(shop: World) -> None:
    before = shop.active()
    shop.engine.remove(before.container)
    shop.engine.remove_image(before.digest)
    assert shop.engine.image(before.digest) is None
    recreate(shop)
    shop.assert_settled("v2")


def test_a_container_that_dies_at_once_is_cleared_away_and_shown(shop: World) -> None:
    before = shop.active()
    stored = shop.engine.store.find(before.digest)
    assert stored is not None
    dying = Behaviour(exit_after=0.0, exit_code=3, output=(b"no database t0p-s3cret n3w-s3cret",))
    object.__setattr__(stored, "behaviour", dying)
    shop.engine.remove(before.container)
    with pytest.raises(EngineError, match="core could not be made again") as raised:
        recreate(shop)
    assert "no database" in str(raised.value)
    assert "n3w-s3cret" not in str(raised.value)
    assert shop.engine.containers({"bgmon.project": "shop"}) == []
    assert shop.store.unfinished() == []
    assert shop.active() == before  # the next attempt knows what to make


def test_a_strangers_container_under_its_name_is_not_removed(shop: World) -> None:
    before = shop.active()
    held = shop.engine.inspect(before.container)
    assert held is not None
    shop.engine.remove(before.container)
    stranger = shop.engine.create(ContainerSpec(held.name, f"{IMAGE}:v1", {}))
    with pytest.raises(Conflict, match="bgmon did not start"):
        recreate(shop)
    assert shop.engine.inspect(stranger.id) is not None


def test_what_was_never_deployed_cannot_be_made_again() -> None:
    with world() as made, pytest.raises(UsageError, match="never deployed"):
        DeployService(made.deps()).recreate("core")


def acts_of_a_recreation() -> list[tuple[str, int]]:
    with world() as made:
        made.deploy("v1")
        made.engine.remove(made.active().container)
        tap = Tap()
        DeployService(made.deps(tap)).recreate("core")
        acts = ("own.create", "own.remove", "engine.start", "engine.set_restart_policy", "store.", "proxy.")
        return sorted(
            (name, number)
            for name, count in tap.calls.items()
            if name.startswith(acts)
            for number in range(1, count + 1)
        )


@pytest.mark.parametrize("call", acts_of_a_recreation())
def test_a_recreation_that_dies_is_settled_and_can_be_had_again(call: tuple[str, int]) -> None:
    with world() as made:
        made.deploy("v1")
        made.engine.remove(made.active().container)
        made.clock.advance(1)
        with pytest.raises(Killed):
            DeployService(made.deps(Tap(call))).recreate("core")
        made.recover()
        assert made.store.unfinished() == []
        if made.engine.inspect(made.active().container) is None:
            made.clock.advance(1)
            DeployService(made.deps()).recreate("core")
        made.assert_settled("v1")


# -- what is looked after in rounds --


def test_the_daemon_settles_what_was_cut_off_and_leaves_what_is_under_way(shop: World) -> None:
    with pytest.raises(Killed):
        shop.deploy("v3", Tap(("proxy.switch", 1)))
    with shop.locks.acquire("core", wait=0, purpose="deploy"):
        assert DeployService(shop.deps()).recover() == []
    assert len(shop.store.unfinished()) == 1
    (line,) = DeployService(shop.deps()).recover()
    assert line.startswith("core: deploy of v3, cut off at 'gate': undone, v2 serves")
    shop.assert_settled("v2")


def test_what_cannot_be_settled_yet_stays_in_the_journal_and_is_said(shop: World) -> None:
    with pytest.raises(Killed):
        shop.deploy("v3", Tap(("proxy.switch", 1)))
    shop.engine.fail("inspect", EngineUnreachable("gone"), times=9)
    (line,) = DeployService(shop.deps()).recover()
    assert "could not be settled yet: gone" in line
    assert len(shop.store.unfinished()) == 1


def test_traffic_that_a_hand_moved_is_led_back_to_the_record(shop: World) -> None:
    service = DeployService(shop.deps())
    assert service.reroute() == []
    active = shop.active()
    shop.proxy.close("core", active.color)
    with shop.locks.acquire("core", wait=0, purpose="deploy"):
        assert service.reroute() == []
    assert service.reroute() == [f"core: traffic goes to {active.color} again"]
    shop.assert_settled("v2")


def test_traffic_of_what_is_not_in_the_proxy_any_more_is_nothing_to_lead(shop: World) -> None:
    shop.proxy.live.clear()
    assert DeployService(shop.deps()).reroute() == []


def test_traffic_is_not_led_to_a_service_that_is_being_deployed(shop: World) -> None:
    with pytest.raises(Killed):
        shop.deploy("v3", Tap(("proxy.switch", 1), moment="after"))
    assert DeployService(shop.deps()).reroute() == []
