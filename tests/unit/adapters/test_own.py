"""Which containers count as bgmon's own, on the fake engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.adapters.docker.own import RecordedContainers
from monitor.adapters.state.containers import SqliteContainers
from monitor.adapters.state.db import Database
from monitor.domain.containers import ContainerSpec
from monitor.domain.own import Made
from monitor.errors import Conflict, EngineUnreachable
from monitor.testing.engine import FakeEngine

FOLDER = Path("/state/shop/proxy")
CORE = ContainerSpec("shop-core-blue", "core", labels={"bgmon.project": "shop"})
PROXY = ContainerSpec(
    "shop-proxy", "core", labels={"bgmon.project": "shop", "bgmon.kind": "access"}, volumes=(f"{FOLDER}:{FOLDER}",)
)


class World:
    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.engine = FakeEngine(lambda: self.now)
        self.engine.build("core")
        self.database = Database(folder / "state.db")
        self.record = SqliteContainers(self.database)
        self.own = RecordedContainers(lambda: self.engine, self.record, "shop", FOLDER, now=lambda: self.now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.database.close()


def test_what_was_made_is_known_by_its_id_alone(world: World) -> None:
    made = world.own.create(CORE, "app", service="core", deploy="core-1")
    copy = world.engine.create(replace(CORE, name="copy", labels=made.labels))
    known = world.own.knows(made.id)
    assert known is not None
    assert (known.role, known.service, known.deploy) == ("app", "core", "core-1")
    assert world.own.knows(copy.id) is None
    assert world.own.knows("shop-core-blue") is None
    assert [one.id for one in world.own.made(deploy="core-1")] == [made.id]
    assert world.own.made(deploy="core-2") == world.own.made(service="other") == world.own.made("proxy") == []


def test_what_was_removed_is_forgotten(world: World) -> None:
    made = world.own.create(CORE, "app", service="core")
    world.own.remove(made.id)
    world.own.remove(made.id)
    assert world.engine.inspect(made.id) is None
    assert world.record.all() == []


def test_a_refused_creation_leaves_nothing_on_record(world: World) -> None:
    world.engine.create(CORE)
    with pytest.raises(Conflict):
        world.own.create(CORE, "app")
    assert world.record.all() == []


def test_one_whose_id_was_not_written_down_is_found_by_its_word_and_its_copies_are_not(world: World) -> None:
    world.record.add(Made("word", "app", "core", "core-1", world.now))
    labels = {**CORE.labels, "bgmon.made": "word"}
    made = world.engine.create(replace(CORE, labels=labels))
    world.now += 1
    copy = world.engine.create(replace(CORE, name="copy", labels=labels))
    assert [one.id for one in world.own.made()] == [made.id]
    assert world.own.knows(made.id) is not None
    assert world.own.knows(copy.id) is None


def test_one_that_never_came_about_is_forgotten_in_the_end(world: World) -> None:
    world.engine.reachable = False
    with pytest.raises(EngineUnreachable):
        world.own.create(CORE, "app")
    world.engine.reachable = True
    assert world.own.made() == []
    assert len(world.record.all()) == 1
    world.now += 601
    assert world.own.made() == []
    assert world.record.all() == []


def test_tidying_forgets_what_is_gone_and_nothing_else(world: World) -> None:
    kept = world.own.create(CORE, "app")
    gone = world.own.create(replace(CORE, name="other"), "app")
    world.engine.remove(gone.id)
    world.own.tidy()
    assert [one.id for one in world.record.all()] == [kept.id]


def test_a_proxy_of_an_earlier_version_is_taken_over_once(world: World) -> None:
    assert world.own.made("proxy") == []
    proxy = world.engine.create(PROXY)
    known = world.own.knows(proxy.id)
    assert known is not None
    assert known.role == "proxy"
    world.engine.remove(proxy.id)
    copy = world.engine.create(PROXY)  # in all a copy, but not the one on record
    assert world.own.knows(copy.id) is None
    assert [one.id for one in world.own.made("proxy")] == [proxy.id]
    world.own.remove(proxy.id)
    assert world.own.made("proxy") == []
    assert world.own.knows(copy.id) is None


@pytest.mark.parametrize(
    "forged",
    [
        replace(PROXY, volumes=()),
        replace(PROXY, volumes=("/elsewhere:/state/shop/proxy",)),
        replace(PROXY, labels={**PROXY.labels, "bgmon.project": "other"}),
        replace(PROXY, labels={"bgmon.project": "shop"}),
        replace(PROXY, name="shop-proxy-debug"),
    ],
    ids=["no folder", "another folder", "another project", "another kind", "another name"],
)
def test_nothing_else_is_taken_for_the_proxy(world: World, forged: ContainerSpec) -> None:
    made = world.engine.create(forged)
    assert world.own.made("proxy") == []
    assert world.own.knows(made.id) is None


def test_the_newest_proxy_is_the_proxy_and_the_one_before_keeps_its_role(world: World) -> None:
    first = world.own.create(PROXY, "proxy")
    world.engine.rename(first.id, "shop-proxy-previous")
    world.own.change_role(first.id, "proxy-previous")
    second = world.own.create(PROXY, "proxy")
    assert [one.id for one in world.own.made("proxy-previous")] == [first.id]
    assert [one.id for one in world.own.made("proxy")] == [second.id]


def test_containers_of_recorded_releases_are_taken_over_by_the_migration(tmp_path: Path) -> None:
    first = Database(tmp_path / "state.db")
    with first.transaction() as db:
        db.execute("DROP TABLE containers")
        db.execute("DROP TABLE proxy_recorded")
        db.execute("DELETE FROM migrations WHERE name = '0002_containers.sql'")
        db.execute(
            "INSERT INTO deploys (id, service, kind, image, version, who, started_at)"
            " VALUES ('core-1', 'core', 'deploy', 'i', 'v1', 'w', 1)"
        )
        db.execute(
            "INSERT INTO releases (deploy, service, color, version, image, digest, image_id, port, container, spec, at,"
            " active) VALUES ('core-1', 'core', 'blue', 'v1', 'i', 'd', 'i', 1, 'abc', '{}', ?, 1)",
            (time.time(),),
        )
    first.close()
    again = Database(tmp_path / "state.db")
    known = SqliteContainers(again).get("abc")
    again.close()
    assert known is not None
    assert (known.role, known.service, known.deploy) == ("app", "core", "core-1")
