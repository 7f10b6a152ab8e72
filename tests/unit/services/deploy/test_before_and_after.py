"""What is refused before anything is changed, and what is left to do once the candidate serves."""

from __future__ import annotations

import pytest

from monitor.domain.containers import ContainerSpec
from monitor.domain.deploy.records import DeployRecord
from monitor.errors import Conflict, EngineError, GateFailed, HookFailed, ProxyError, PullFailed
from monitor.services.deploy import finish
from monitor.services.deploy.deployer import deploy
from monitor.services.deploy.deps import DeployRequest
from monitor.services.deploy.preflight import ready_proxy
from tests.support.deploys import IMAGE, World

LABELS = {"bgmon.project": "shop", "bgmon.service": "core", "bgmon.version": "v9", "bgmon.kind": "app"}


def named_like_the_candidate(shop: World, labels: dict[str, str]) -> str:
    return shop.engine.create(ContainerSpec("shop-core-green", f"{IMAGE}:v1", labels)).id


# -- before --


def test_a_full_disk_is_said_before_anything_is_pulled(shop: World) -> None:
    shop.host.free = 100 * 1024**2
    shop.engine.calls.clear()
    with pytest.raises(EngineError, match="only 100 MB are free where Docker keeps its data") as caught:
        shop.deploy("v2")
    assert "bgmon prune" in caught.value.hint
    assert "pull" not in [name for name, _ in shop.engine.calls]
    shop.assert_settled("v1")


def test_a_hook_that_cannot_be_run_is_said_before_anything_is_pulled(shop: World) -> None:
    shop.hooks.problems = ["pre-deploy cannot be run", "post-deploy cannot be run"]
    shop.engine.calls.clear()
    with pytest.raises(HookFailed, match="pre-deploy cannot be run\npost-deploy"):
        shop.deploy("v2")
    assert "pull" not in [name for name, _ in shop.engine.calls]
    shop.assert_settled("v1")


def test_a_leftover_of_ours_under_the_candidates_name_is_removed(shop: World) -> None:
    left = shop.own.create(
        ContainerSpec("shop-core-green", f"{IMAGE}:v1", LABELS), "app", service="core", deploy="core-0"
    ).id
    shop.deploy("v2")
    assert shop.engine.inspect(left) is None
    assert shop.told("warning") == ["removed the leftover container shop-core-green"]
    shop.assert_settled("v2")


def test_a_strangers_container_under_the_candidates_name_is_left_alone_and_named(shop: World) -> None:
    stranger = named_like_the_candidate(shop, {})
    with pytest.raises(Conflict, match="shop-core-green exists that bgmon did not start") as caught:
        shop.deploy("v2")
    assert "docker rename shop-core-green" in caught.value.hint
    assert shop.engine.inspect(stranger) is not None


def test_a_container_with_our_labels_that_the_state_does_not_know_is_left_alone_and_named(shop: World) -> None:
    unknown = named_like_the_candidate(shop, LABELS)
    with pytest.raises(Conflict, match=r"shop-core-green exists \(v9, created\), but the state used here") as caught:
        shop.deploy("v2")
    assert f"bgmon prune --id {unknown[:12]}" in caught.value.hint
    assert shop.engine.inspect(unknown) is not None


def test_an_active_container_that_was_renamed_to_the_candidates_name_is_not_removed(shop: World) -> None:
    active = shop.active().container
    shop.engine.rename(active, "shop-core-green")
    with pytest.raises(Conflict, match="the running core was renamed to shop-core-green") as caught:
        shop.deploy("v2")
    assert caught.value.hint == "docker rename shop-core-green shop-core-blue"
    assert shop.assert_settled("v1").container == active


@pytest.mark.parametrize(
    ("pull", "words"), [("never", "is not on this host"), ("auto", "is for arm64, this host is amd64")]
)
def test_an_image_that_cannot_be_used_is_refused(shop: World, pull: str, words: str) -> None:
    shop.engine.push(f"{IMAGE}:v4", architecture="arm64")
    request = DeployRequest(spec=shop.spec(), image=f"{IMAGE}:v4", version="v4", pull=pull)  # type: ignore[arg-type]
    with pytest.raises(PullFailed, match=words):
        deploy(shop.deps(), request)
    shop.assert_settled("v1")


def test_an_image_that_is_here_is_not_pulled_where_nothing_is_to_be(shop: World) -> None:
    shop.engine.pull(f"{IMAGE}:v2")
    shop.engine.calls.clear()
    shop.deploy("v2", pull="never")
    assert "pull" not in [name for name, _ in shop.engine.calls]
    assert f"{IMAGE}:v2 is here already" in shop.told("pulled")
    shop.assert_settled("v2")


def test_a_proxy_that_does_not_answer_is_booted_and_one_that_runs_left_as_it_is(shop: World) -> None:
    shop.proxy.calls.clear()
    ready_proxy(shop.deps())
    assert [name for name, _ in shop.proxy.calls] == ["carries"]
    shop.proxy.reachable = False
    ready_proxy(shop.deps())
    assert shop.proxy.calls[-1] == ("boot", "")


# -- after --


def test_requests_that_do_not_end_are_named_and_cut_off(shop: World) -> None:
    shop.proxy.sessions["core", "blue"] = 3
    shop.deploy("v2")
    assert shop.told("warning") == ["3 requests were still under way after 1 s"]
    assert ("core", "blue") not in shop.proxy.sessions
    shop.assert_settled("v2")


def test_a_service_whose_port_was_taken_away_leaves_the_proxy(shop: World) -> None:
    shop.section = {**shop.section, "port": None, "health": {"settle": "0s"}}
    release = shop.deploy("v2")
    assert release.port is None
    assert shop.store.slots("core") == {}
    assert shop.active().version == "v2"
    assert shop.store.unfinished() == []
    assert [one.version for one in shop.engine.containers({"bgmon.service": "core"})] == ["v2"]


def test_a_proxy_that_keeps_it_all_the_same_fails_no_deploy(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ProxyError("the proxy cannot write its file")

    monkeypatch.setattr(finish, "leave", refuse)
    shop.section = {**shop.section, "port": None, "health": {"settle": "0s"}}
    shop.deploy("v2")
    assert shop.told("warning") == ["the proxy still has it: the proxy cannot write its file"]
    assert shop.active().version == "v2"


def test_images_that_cannot_be_pruned_fail_no_deploy(shop: World) -> None:
    shop.deploy("v2")
    shop.engine.fail("remove_image", EngineError("device is busy"))
    shop.deploy("v3")
    assert shop.told("warning") == ["old images could not be pruned: device is busy"]
    assert shop.active().version == "v3"


def test_whoever_wants_to_know_is_told_of_each_end(shop: World) -> None:
    told: list[DeployRecord] = []
    deps = shop.deps(announce=told.append)
    shop.clock.advance(1)
    deploy(deps, DeployRequest(spec=shop.spec(), image=f"{IMAGE}:v2", version="v2"))
    shop.clock.advance(1)
    shop.sick.add("v3")
    with pytest.raises(GateFailed):
        deploy(deps, DeployRequest(spec=shop.spec(), image=f"{IMAGE}:v3", version="v3"))
    assert [(record.version, record.result) for record in told] == [("v2", "deployed"), ("v3", "failed")]
    shop.assert_settled("v2")
