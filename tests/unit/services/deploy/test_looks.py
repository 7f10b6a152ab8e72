"""What only looks (doctor, status, a dry run), and prune, which takes away what a look found."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.domain.containers import ContainerSpec
from monitor.errors import EngineUnreachable, UsageError
from monitor.services.deploy import lifecycle
from monitor.services.deploy.deps import DeployRequest
from monitor.services.deploy.doctor import examine
from monitor.services.deploy.dry_run import dry_run
from monitor.services.deploy.own import chosen
from monitor.services.deploy.prune import prune_chosen, prune_project
from monitor.services.deploy.status import picture
from tests.support.deploys import IMAGE, PROJECT, Killed, Tap, World, world

LABELS = {"bgmon.project": PROJECT, "bgmon.service": "core", "bgmon.version": "v1", "bgmon.kind": "app"}


def copy_of_ours(shop: World, name: str = "debug") -> str:
    """A stranger's container with our labels."""
    shop.engine.pull(f"{IMAGE}:v1", None)
    made = shop.engine.create(ContainerSpec(name=name, image=f"{IMAGE}:v1", labels=LABELS))
    shop.engine.start(made.id)
    return made.id


def orphan(shop: World) -> str:
    """A container of ours that belongs to no release."""
    spec = ContainerSpec(name="shop-core-left", image=f"{IMAGE}:v1", labels=LABELS)
    return shop.own.create(spec, "app", service="core", deploy="core-1").id


def found(shop: World, *levels: str, **changes: Any) -> dict[str, list[str]]:
    """What doctor says on these levels, by check."""
    told: dict[str, list[str]] = {}
    for one in examine(shop.deps(**changes), ["core"]):
        if one.level in (levels or ("warning", "error")):
            told.setdefault(one.check, []).append(one.text)
    return told


# -- doctor --


def test_doctor_has_nothing_against_a_good_host(shop: World) -> None:
    assert found(shop) == {}
    assert set(found(shop, "ok")) == {
        "installation", "engine", "disk", "proxy", "reach", "hooks", "deploys", "services", "health",
    }  # fmt: skip
    assert found(shop, "ok")["health"] == ["1 of 1 answer as their health policy wants"]


def test_doctor_names_what_is_wrong_and_goes_on(shop: World) -> None:
    shop.host.free = 10**9
    shop.hooks.problems = ["pre-deploy cannot be run"]
    shop.proxy.running = False
    shop.clock.advance(60)
    shop.sick.add("v1")
    told = found(shop)
    assert told["disk"] == ["953 MB free at /var/lib/docker"]
    assert told["hooks"] == ["pre-deploy cannot be run"]
    assert "proxy" in told
    (health,) = told["health"]
    assert "status 503" in health
    assert "t0p-s3cret" not in health


def test_doctor_names_lines_that_the_access_log_lacks(shop: World) -> None:
    shop.proxy.lost_lines = 266
    assert found(shop)["proxy"] == ["266 access log lines were lost: whoever reads the log is too slow"]


def test_doctor_says_by_which_way_containers_are_reached(shop: World) -> None:
    shop.host.no_way = "the bridge is elsewhere"
    assert found(shop, "ok")["reach"][0].startswith(
        "containers are reached by published ports: the bridge is elsewhere"
    )
    assert found(shop, reach="address")["reach"][0].startswith("proxy.reach is address, but the bridge is elsewhere")


def test_doctor_names_orphans_lookalikes_and_services_that_are_down(shop: World) -> None:
    copy_of_ours(shop)
    orphan(shop)
    shop.engine.remove(shop.active().container)
    texts = found(shop)["services"]
    assert "core is missing" in texts
    assert "container shop-core-left belongs to no release" in texts
    assert "container debug carries core labels, but bgmon did not make it" in texts
    (gone,) = [one for one in examine(shop.deps(), []) if "not in bgmon.yml" in one.text]
    assert gone.hint == "bgmon remove core"


def test_doctor_names_a_deploy_that_was_cut_off(shop: World) -> None:
    with pytest.raises(Killed):
        shop.deploy("v2", Tap(("engine.start", 1)))
    assert found(shop)["deploys"] == ["core: the deploy of v2 was cut off"]


def test_a_check_that_fails_is_a_finding(shop: World) -> None:
    tap = Tap(("engine.info", 1), error=EngineUnreachable("nobody is there", hint="start it"))
    findings = examine(shop.deps(tap), ["core"])
    assert [(one.check, one.text, one.hint) for one in findings if one.level == "error"] == [
        ("engine", "nobody is there", "start it")
    ]


# -- status --


def test_status_tells_every_state(shop: World) -> None:
    def state(name: str = "core") -> str:
        (row,) = [
            row
            for row in picture(shop.engine, shop.own, shop.store, PROJECT, ["core", "new"]).services
            if row.name == name
        ]
        return row.state

    assert (state(), state("new")) == ("running", "not deployed")
    lifecycle.maintenance(shop.deps(), "core", on=True)
    assert state() == "maintenance"
    lifecycle.maintenance(shop.deps(), "core", on=False)
    lifecycle.stop(shop.deps(), "core")
    assert state() == "stopped"
    lifecycle.start(shop.deps(), "core")
    shop.engine.crash(shop.active().container, 1)
    assert state() == "restarting"
    shop.engine.remove(shop.active().container)
    assert state() == "missing"


def test_status_of_a_first_deploy_under_way() -> None:
    with world() as made:
        with pytest.raises(Killed):
            made.deploy("v1", Tap(("engine.start", 1)))
        (row,) = picture(made.engine, made.own, made.store, PROJECT, ["core"]).services
        assert row.state == "deploying"


# -- a dry run --


def test_a_dry_run_tells_the_steps_and_changes_nothing(shop: World) -> None:
    before = shop.engine.containers({})
    shop.section["deploy"] = {"canary": [{"weight": 10, "for": "1m"}], "bake": "30s"}
    steps = dry_run(shop.store, DeployRequest(spec=shop.spec(), image=f"{IMAGE}:v2", version="v2"))
    text = "\n".join(steps)
    for part in (
        f"pull {IMAGE}:v2", "start it as core green, port 3000", "2 good answers in a row from /health",
        "send 10% of new requests to it for 60 s", "watch it for 30 s; go back to v1", "let blue (v1) finish",
    ):  # fmt: skip
        assert part in text
    assert shop.engine.containers({}) == before


def test_a_dry_run_of_a_first_deploy_without_a_port() -> None:
    with world(port=None, health={"settle": "1s"}) as made:
        steps = dry_run(made.store, DeployRequest(spec=made.spec(), image="x", version="x", pull="never"))
        text = "\n".join(steps)
        assert "take x from this host" in text
        assert "start it as core blue" in text
        assert "wait until it is healthy" in text
        assert "requests" not in text


def test_a_dry_run_says_that_a_cut_off_deploy_is_settled_first(shop: World) -> None:
    with pytest.raises(Killed):
        shop.deploy("v2", Tap(("engine.start", 1)))
    steps = dry_run(shop.store, DeployRequest(spec=shop.spec(), image="x", version="x"))
    assert "settle the cut-off deploy of v2" in steps


# -- prune --


def test_prune_takes_orphans_and_leaves_lookalikes_and_what_runs(shop: World) -> None:
    copy, left = copy_of_ours(shop), orphan(shop)
    dry = prune_project(shop.deps(), keep=None, dry_run=True)
    assert dry == {"containers": ["shop-core-left"], "images": [], "left_alone": [f"debug ({copy[:12]})"]}
    assert shop.engine.inspect(left) is not None
    assert prune_project(shop.deps(), keep=None, dry_run=False) == dry
    assert shop.engine.inspect(left) is None
    assert shop.engine.inspect(copy) is not None
    shop.engine.remove(copy)
    shop.assert_settled("v1")


def test_prune_leaves_an_orphan_that_runs_unless_forced(shop: World) -> None:
    left = orphan(shop)
    shop.engine.start(left)
    assert prune_project(shop.deps(), keep=None, dry_run=False)["containers"] == []
    assert prune_project(shop.deps(), keep=None, dry_run=False, force=True)["containers"] == ["shop-core-left"]


def test_prune_keeps_as_many_releases_as_are_asked_for() -> None:
    with world(deploy={"bake": "0s", "drain": "1s", "stop": "1s", "keep_images": 5}) as shop:
        for version in ("v1", "v2", "v3"):
            shop.deploy(version)
        assert prune_project(shop.deps(), keep=1, dry_run=True)["images"] == [f"{IMAGE}:v1"]
        gone = prune_project(shop.deps(), keep=1, dry_run=False)
        assert f"{IMAGE}:v1" in gone["images"]
        assert shop.engine.image(f"{IMAGE}:v1") is None
        assert shop.engine.image(f"{IMAGE}:v2") is not None
        assert [release.version for release in shop.store.releases("core")] == ["v3", "v2"]
        shop.assert_settled("v3")


def test_prune_forgets_containers_that_are_gone(shop: World) -> None:
    left = orphan(shop)
    shop.engine.remove(left)
    assert shop.own.knows(left) is not None
    prune_project(shop.deps(), keep=None, dry_run=False)
    assert shop.own.knows(left) is None


def test_a_container_that_is_named_goes_and_no_other(shop: World) -> None:
    copy, left = copy_of_ours(shop), orphan(shop)
    assert prune_chosen(shop.deps(), [copy[:6]], dry_run=True)["containers"] == ["debug"]
    assert prune_chosen(shop.deps(), [copy[:6]], dry_run=False)["containers"] == ["debug"]
    assert shop.engine.inspect(copy) is None
    assert shop.engine.inspect(left) is not None
    with pytest.raises(UsageError, match="names no containers"):
        prune_chosen(shop.deps(), [shop.active().container], dry_run=False)
    assert [one.id for one in chosen(shop.deps(), ["shop-core-left"])] == [left]
