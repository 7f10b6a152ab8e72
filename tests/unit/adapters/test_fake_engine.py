"""What the fake engine does that no contract with a real one can ask for: time, accidents, a host that reboots."""

from __future__ import annotations

import threading

import pytest

from monitor.domain.containers import Container, ContainerSpec
from monitor.errors import EngineError, EngineUnreachable, PullFailed
from monitor.testing.engine import FakeEngine
from monitor.testing.engine_containers import Behaviour


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.engine = FakeEngine(lambda: self.now)

    def run(self, behaviour: Behaviour, *, healthcheck: bool = False, restart: str = "unless-stopped") -> Container:
        self.engine.push("core:1", behaviour, healthcheck=healthcheck)
        self.engine.pull("core:1")
        made = self.engine.create(ContainerSpec(name="core", image="core:1", restart=restart))
        self.engine.start(made.id)
        self.engine.take_events()
        return made

    def look(self) -> Container:
        found = self.engine.inspect("core")
        assert found is not None
        return found

    def happened(self) -> list[tuple[str, float]]:
        return [(event.action, round(event.at - 1000, 3)) for event in self.engine.take_events()]


@pytest.fixture
def world() -> World:
    return World()


def test_a_crash_loop_keeps_dockers_pace(world: World) -> None:
    """0.1 s, doubled after each run that was shorter than 10 s."""
    world.run(Behaviour(exit_after=1, exit_code=1))
    world.now += 5
    assert world.happened() == [
        ("die", 1), ("start", 1.1), ("die", 2.1), ("start", 2.3), ("die", 3.3), ("start", 3.7), ("die", 4.7),
    ]  # fmt: skip
    assert (world.look().state, world.look().restarts) == ("restarting", 3)


def test_a_long_run_resets_dockers_pace(world: World) -> None:
    world.run(Behaviour(exit_after=10))
    world.now += 25
    assert world.happened() == [("die", 10), ("start", 10.1), ("die", 20.1), ("start", 20.2)]


def test_no_policy_no_restart(world: World) -> None:
    world.run(Behaviour(exit_after=1, exit_code=5), restart="no")
    world.now += 100
    assert (world.look().state, world.look().exit_code, world.look().finished_at) == ("exited", 5, 1001.0)


def test_on_failure_counts(world: World) -> None:
    world.run(Behaviour(exit_after=1, exit_code=5), restart="on-failure:2")
    world.now += 100
    assert (world.look().state, world.look().restarts) == ("exited", 2)


def test_an_oom_kill_is_told_before_the_death(world: World) -> None:
    world.run(Behaviour(exit_after=2, exit_code=137, oom=True), restart="no")
    world.now += 2
    assert world.happened() == [("oom", 2), ("die", 2)]
    assert world.look().oom_killed


def test_health_follows_the_clock(world: World) -> None:
    world.run(Behaviour(healthy_after=3, unhealthy_after=8), healthcheck=True)
    assert world.look().health == "starting"
    world.now += 3
    assert world.look().health == "healthy"
    world.now += 5
    assert world.look().health == "unhealthy"
    assert world.happened() == [("health_status: healthy", 3), ("health_status: unhealthy", 8)]


def test_an_image_without_a_check_has_no_health(world: World) -> None:
    world.run(Behaviour(healthy_after=3))
    world.now += 3
    assert world.look().health is None


def test_a_timer_of_an_earlier_run_does_nothing(world: World) -> None:
    made = world.run(Behaviour(exit_after=10), restart="no")
    world.now += 5
    world.engine.restart(made.id, 1)
    world.now += 6
    assert world.look().running
    world.now += 4
    assert not world.look().running


def test_what_a_person_stopped_stays_stopped_even_in_its_backoff(world: World) -> None:
    made = world.run(Behaviour(exit_after=1, exit_code=1))
    world.now += 1.05
    assert world.look().state == "restarting"
    world.engine.take_events()
    world.engine.stop(made.id, 1)
    assert [action for action, _ in world.happened()] == ["stop"]
    world.now += 100
    assert world.look().state == "exited"


def test_a_stubborn_process_is_killed(world: World) -> None:
    made = world.run(Behaviour(stubborn=True))
    world.engine.stop(made.id, 1)
    assert world.look().exit_code == 137


def test_a_reboot_brings_back_what_was_not_stopped(world: World) -> None:
    made = world.run(Behaviour())
    world.now += 10
    world.engine.reboot()
    assert (world.look().running, world.look().started_at) == (True, 1010.0)
    world.engine.stop(made.id, 1)
    world.engine.reboot()
    assert not world.look().running


def test_accidents_can_be_ordered(world: World) -> None:
    made = world.run(Behaviour())
    world.engine.fail("inspect", EngineError("no"), times=2)
    for _ in range(2):
        with pytest.raises(EngineError, match="no"):
            world.engine.inspect(made.id)
    world.engine.crash(made.id, 139)
    assert world.look().exit_code == 139
    world.engine.refuse("core:2", PullFailed("the disk is full"))
    with pytest.raises(PullFailed, match="the disk is full"):
        world.engine.pull("core:2")
    world.engine.behave(made.id, Behaviour(start_error="executable file not found"))
    world.engine.stop(made.id, 1)
    with pytest.raises(EngineError, match="executable file not found"):
        world.engine.start(made.id)
    assert world.look().error == "executable file not found"


def test_an_engine_out_of_reach_ends_its_streams(world: World) -> None:
    world.run(Behaviour())
    stream = world.engine.events(since=None, labels={})
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    world.engine.reachable = False
    with pytest.raises(EngineUnreachable):
        world.engine.info()
    reader.join(10)
    assert not reader.is_alive()
    world.engine.reachable = True
    assert world.look().running


def test_the_engine_remembers_256_events(world: World) -> None:
    world.run(Behaviour(exit_after=10))
    world.now += 10_000
    stream = world.engine.events(since=0, labels={})
    first = next(stream)
    world.engine.close_events()
    assert first.at > 1000
    assert len([first, *stream]) == 256
