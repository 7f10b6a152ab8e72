"""Engines tell of a stop as `kill, die, stop`, or from version 26 on as `kill, stop, die`: no decision may differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.domain.containers import EngineEvent
from monitor.domain.health.deaths import A_PERSON
from monitor.services.watchdog.event_memory import EventMemory
from monitor.testing.engine_containers import Behaviour
from tests.support.simulated import Host

POLICIES = ("no", "unless-stopped")
SIGNALS = ("15", "9", "28")  # Apache's image stops by SIGWINCH


@pytest.fixture(params=["die-stop", "stop-die"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    made.engine.life.stop_first = request.param == "stop-die"
    yield made
    made.database.close()


def start(host: Host, **changes: Any) -> str:
    ref = host.start(**changes)
    assert host.state("core") == "healthy"
    return ref


@pytest.mark.parametrize(("policy", "signal"), list(itertools.product(POLICIES, SIGNALS)))
def test_a_stop_by_a_person_is_respected(host: Host, policy: str, signal: str) -> None:
    ref = start(host, restart=policy, behaviour=Behaviour(stop_signal=signal))
    host.engine.stop(ref, 1)
    host.settle_one_by_one()
    host.run(60)
    assert host.state("core") == "stopped"
    assert host.store.flags("core").stopped_by == A_PERSON
    assert host.acts == []
    assert host.alerts.kinds("fired") == []


@pytest.mark.parametrize("signal", ["15", "28"])
def test_a_restart_by_a_person_alarms_nobody(host: Host, signal: str) -> None:
    ref = start(host, restart="no", behaviour=Behaviour(stop_signal=signal))
    host.engine.stop(ref, 1)
    host.settle_one_by_one()
    host.clock.advance(0.5)
    super(type(host.engine), host.engine).start(ref)
    host.settle_one_by_one()
    host.run(60)
    assert host.state("core") == "healthy"
    assert host.acts == []
    assert host.alerts.kinds("fired") == []


def test_our_own_restart_is_neither_a_wish_nor_a_death(host: Host) -> None:
    start(host)
    host.sick.add("core")
    host.look_at_all()
    host.sick.clear()
    host.settle_one_by_one()
    host.run(60)
    assert host.state("core") == "healthy"
    assert [act.how for act in host.acts] == ["restart"]
    assert host.alerts.kinds("fired") == ["unhealthy"]
    assert host.store.flags("core").stopped_by == ""


def test_a_crash_after_a_harmless_signal_is_healed(host: Host) -> None:
    """Nobody calls it a stop, so it died by itself."""
    ref = start(host, restart="no")
    host.engine.life.emit(host.engine.life.containers[ref], "kill", host.clock.now(), signal="28")
    host.clock.advance(1)
    host.engine.crash(ref, 3)
    host.settle_one_by_one()
    assert host.acts == []
    host.run(10)
    assert [act.how for act in host.acts] == ["start"]
    assert host.alerts.kinds("fired") == ["exited"]


def test_an_engine_that_stops_everything_on_its_way_down_wants_nothing_down(host: Host) -> None:
    ref = start(host, restart="no")
    host.engine.stop(ref, 1)
    host.settle_one_by_one()
    host.clock.advance(1)
    host.lose_engine(20)
    host.engine.reachable = True
    host.look_at_all()
    host.run(10)
    assert host.state("core") == "healthy"


def test_what_an_engine_stopped_as_it_came_up_while_it_was_asked_is_no_wish(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens before it serves: whoever asks then gets the answer after it has stopped what it found alive."""
    ref = start(host, restart="no")
    see = host.reconciler.observer.see

    def blocked(*words: Any, **more: Any) -> Any:
        monkeypatch.undo()
        host.reconciler.engine.cut(host.clock.now())
        host.clock.advance(2)
        host.engine.stop(ref, 1)
        return see(*words, **more)

    monkeypatch.setattr(host.reconciler.observer, "see", blocked)
    host.reconciler.look("core", host.clock.now())
    assert host.state("core") == "healthy"  # nothing is decided upon in doubt
    host.settle_one_by_one()
    host.reconciler.engine_answers(host.clock.now())
    host.look_at_all()
    host.run(10)
    assert host.state("core") == "healthy"
    assert [act.how for act in host.acts] == ["start"]


# -- what is remembered --


def event(action: str, at: float, *, signal: str = "", code: int | None = None) -> EngineEvent:
    return EngineEvent(action, "c1", "core", {}, at, int(at * 1e9), exit_code=code, signal=signal)


@pytest.mark.parametrize("order", [("die", "stop"), ("stop", "die")])
@pytest.mark.parametrize("late", [0.0, 0.1])
def test_a_death_of_our_own_making_may_be_told_after_the_call_returned(order: tuple[str, str], late: float) -> None:
    memory = EventMemory()
    memory.begin("core", "c1", 10.0)
    memory.take("core", event("kill", 10.1, signal="15"), nobodys_wish=False)
    memory.end("core", 10.2)
    for action in order:
        memory.take("core", event(action, 10.2 + late, code=143), nobodys_wish=False)
    assert (memory.deaths("core"), memory.wish("core")) == ((), None)


def test_a_death_after_our_own_start_is_none_of_our_making() -> None:
    memory = EventMemory()
    memory.begin("core", "c1", 10.0)
    for one in (event("kill", 10.1, signal="15"), event("die", 10.2, code=143), event("start", 10.3)):
        memory.take("core", one, nobodys_wish=False)
    memory.end("core", 10.4)
    memory.take("core", event("die", 10.5, code=1), nobodys_wish=False)
    assert [death.code for death in memory.deaths("core")] == [1]


def test_nothing_is_remembered_of_containers_that_are_gone() -> None:
    memory = EventMemory()
    for number in range(1000):
        for action, signal in (("start", ""), ("oom", ""), ("kill", "1"), ("destroy", "")):
            one = EngineEvent(action, f"c{number}", "core", {}, float(number), number, signal=signal)
            memory.take("core", one, nobodys_wish=False)
    held = {name: len(known) for name, known in vars(memory).items() if isinstance(known, dict | list)}
    assert held == dict.fromkeys(held, 0)
