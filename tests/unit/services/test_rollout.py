"""Deploys on several hosts, on hosts in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from monitor.domain.deploy.spec import RolloutPolicy
from monitor.errors import LockedError, UnreachableError
from monitor.ports.hosts import OnPiece
from monitor.services.fleet.rollout import Rollout, RolloutRequest, RolloutResult
from monitor.testing.clock import FakeClock
from monitor.testing.hosts import FakeHosts


@dataclass
class World:
    """`bad` fails its deploys, `dead` cannot be reached, `lost` falls silent meanwhile, `locked` is somebody else's."""

    bad: str = ""
    dead: str = ""
    lost: str = ""
    locked: str = ""
    restarts_in_bake: bool = False
    no_way_back: str = ""
    unreleasable: bool = False
    images: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    looks: int = 0

    def answer(self, host: str, argv: Sequence[str], on_piece: OnPiece, stop: threading.Event) -> int:
        def say(**event: Any) -> None:
            on_piece("out", json.dumps(event) + "\n")

        if host == self.dead:
            raise UnreachableError(f"{host}: it does not answer")
        if argv[0] == "hold":
            if host == self.locked:
                say(event="failed", error="core is being deployed", hint="", exit=3)
                return 3
            self.held.add(host)
            self.log.append((host, "hold"))
            say(event="held")
            say(event="prepared", service="core", image=self.images.get(host, "reg/core@sha256:1"))
            assert stop.wait(20)
            self.held.discard(host)
            return 143
        if argv[0] == "status":
            self.looks += 1
            restarts = 1 if self.restarts_in_bake and self.looks > 1 else 0
            row = {"name": "core", "state": "running", "version": "v2", "restarts": restarts}
            on_piece("out", json.dumps({"services": [row]}, indent=2))
            return 0
        self.log.append((host, argv[0]))
        if host == self.lost:
            raise UnreachableError(f"{host}: the connection was lost")
        failures = {"release": "the release command ended with exit code 3"} if self.unreleasable else {}
        if host == self.bad:
            failures["deploy"] = "never healthy"
        if argv[0] in failures:
            say(event="failed", service="core", error=failures[argv[0]], hint="look at its log", exit=1)
            return 1
        if argv[0] == "rollback" and host == self.no_way_back:
            say(event="failed", error="nothing to go back to", hint="", exit=2)
            return 2
        say(event="deployed", service="core")
        return 0


def _run(
    world: World, *, release: tuple[str, ...] = (), **policy: Any
) -> tuple[RolloutResult, list[tuple[str, Mapping[str, Any]]]]:
    told: list[tuple[str, Mapping[str, Any]]] = []
    request = RolloutRequest(
        id="r1",
        items={host: ["core=reg/core:v2"] for host in ("a", "b", "c", "d")},
        policy=RolloutPolicy(**policy),
        release=release,
    )
    hosts = FakeHosts(world.answer)
    result = Rollout(hosts, FakeClock(), lambda host, event: told.append((host, event)), lambda: False, request).run()
    assert not world.held, "nobody is kept out any more"
    return result, told


def test_every_host_is_held_before_the_first_is_touched_and_they_go_in_order() -> None:
    world = World()
    result, _ = _run(world)
    assert result.error is None
    assert result.states == dict.fromkeys("abcd", "done")
    assert {entry[1] for entry in world.log[:4]} == {"hold"}
    assert world.log[4:] == [(host, "deploy") for host in "abcd"]


def test_a_host_that_cannot_be_reached_is_found_before_anything_is_changed() -> None:
    world = World(dead="d")
    result, _ = _run(world, on_failure="rollback")
    assert isinstance(result.error, UnreachableError)
    assert result.states == dict.fromkeys("abcd", "waiting")
    assert "deploy" not in {what for _, what in world.log}


@pytest.mark.parametrize("host", ["a", "c"])
def test_somebody_elses_rollout_is_left_alone(host: str) -> None:
    world = World(locked=host)
    result, _ = _run(world)
    assert isinstance(result.error, LockedError)
    assert "deploy" not in {what for _, what in world.log}


def test_a_tag_that_moved_between_two_pulls_is_refused() -> None:
    world = World(images={"c": "reg/core@sha256:2"})
    result, _ = _run(world)
    assert "not the same image everywhere" in str(result.error)
    assert "deploy" not in {what for _, what in world.log}


def test_images_that_no_registry_knows_are_taken_as_each_host_has_them() -> None:
    assert (
        _run(World(images=dict(zip("abcd", ("sha256:1", "sha256:2", "sha256:3", "sha256:4"), strict=True))))[0].error
        is None
    )


def test_a_release_command_runs_once_for_all_hosts_before_the_first_one_is_touched() -> None:
    world = World()
    result, _ = _run(world, release=("core",), first="b")
    assert result.error is None
    acts = [(host, act) for host, act in world.log if act != "hold"]
    assert acts == [("b", "release"), ("b", "deploy"), ("a", "deploy"), ("c", "deploy"), ("d", "deploy")]


def test_a_release_command_that_fails_leaves_every_host_as_it_was() -> None:
    world = World(unreleasable=True)
    result, _ = _run(world, release=("core",))
    assert "exit code 3" in str(result.error)
    assert [act for _, act in world.log if act != "hold"] == ["release"]
    assert set(result.states.values()) == {"waiting"}


def test_the_first_failure_stops_the_rest() -> None:
    world = World(bad="b")
    result, _ = _run(world)
    assert result.states == {"a": "done", "b": "failed", "c": "waiting", "d": "waiting"}
    assert str(result.error) == "b: never healthy"
    assert result.error is not None
    assert result.error.hint == "look at its log"


def test_all_or_nothing_takes_the_finished_ones_back_the_last_one_first() -> None:
    world = World(bad="c", no_way_back="a")
    result, told = _run(world, on_failure="rollback")
    assert [entry for entry in world.log if entry[1] == "rollback"] == [("b", "rollback"), ("a", "rollback")]
    assert result.states == {"a": "kept", "b": "undone", "c": "failed", "d": "waiting"}
    assert any(host == "a" and "could not be rolled back" in str(event.get("text")) for host, event in told)


def test_of_a_host_that_fell_silent_nothing_is_claimed() -> None:
    result, _ = _run(World(lost="b"), on_failure="rollback")
    assert result.states == {"a": "undone", "b": "unknown", "c": "waiting", "d": "waiting"}
    assert isinstance(result.error, UnreachableError)


def test_the_first_host_is_watched_before_the_others_follow() -> None:
    world = World(restarts_in_bake=True)
    result, _ = _run(world, first="c", bake=300.0, parallel=3)
    assert result.states == {"a": "waiting", "b": "waiting", "c": "failed", "d": "waiting"}
    assert "c: core got worse after its deploy: it was restarted" in str(result.error)
    fine = World()
    assert _run(fine, first="c", bake=300.0, parallel=3)[0].error is None
    assert fine.looks > 30
    assert fine.log[4] == ("c", "deploy")
