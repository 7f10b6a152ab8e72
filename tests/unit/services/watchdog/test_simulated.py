"""Hours and days of the reconciler's work, on fakes and a clock of their own."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from monitor.errors import EngineError
from monitor.testing.engine_containers import Behaviour
from tests.support.simulated import IMAGE, OLD, Host

DAY = 86400.0


def test_a_loop_is_slowed_down_quarantined_and_tried_again(host: Host) -> None:
    host.start(behaviour=Behaviour(exit_after=0.5, exit_code=3))
    host.run(3600)
    assert host.state("core") == "quarantined"
    starts = [act.at - host.acts[0].at for act in host.acts]
    # Two restarts by Docker, and a third it had begun; then bgmon's, further and further apart, and half-open tries.
    assert len(starts) <= 5
    assert host.alerts.kinds("fired") == ["exited", "crash-loop", "quarantined"]
    assert host.alerts.kinds("resolved") == []


def test_a_loop_that_ends_is_resolved_once_and_given_back(host: Host) -> None:
    ref = host.start(behaviour=Behaviour(exit_after=0.5, exit_code=3))
    host.run(20, until=lambda: host.state("core") == "crash-looping")
    host.engine.behave(ref, Behaviour())
    host.run(400, until=lambda: host.state("core") == "healthy")
    assert host.alerts.open == {}
    host.run(700)
    container = host.engine.inspect(ref)
    assert container is not None
    assert container.restart_policy == "unless-stopped"
    watch = host.reconciler.watches["core"]
    assert (watch.attempts, watch.taken, watch.exits) == (0, "", ())


def test_a_budget_survives_the_daemon(host: Host) -> None:
    host.start(restart="no", section={"heal": {"budget": 3}})
    ref = host.ref("core")
    for _ in range(3):
        host.engine.crash(ref)
        host.settle()
        host.run(60)
        host.supervise()
        host.look_at_all()
    host.engine.crash(ref)
    host.settle()
    assert host.state("core") == "quarantined"


def test_what_was_stopped_stays_so_over_a_restart_of_the_daemon(host: Host) -> None:
    ref = host.start()
    host.engine.stop(ref, 1)
    host.engine.take_events()
    host.clock.advance(30)
    host.supervise()  # it saw none of it
    host.look_at_all()
    assert host.state("core") == "stopped"
    host.run(3600)
    assert host.state("core") == "stopped"
    assert host.acts == []


def test_everything_comes_back_after_a_reboot_of_the_host(host: Host) -> None:
    for number in range(20):
        host.make(f"s{number}", at=host.clock.now() - OLD, restart="no" if number % 2 else "unless-stopped")
    host.look_at_all()
    host.run(5)
    host.engine.stop(host.ref("s4"), 1)
    host.settle()
    host.run(5)
    host.engine.reboot()
    host.clock.advance(60)
    host.supervise()
    host.look_at_all()
    host.run(60)
    assert {name: host.state(name) for name in host.reconciler.watches if host.state(name) != "healthy"} == {
        "s4": "stopped"
    }
    assert host.alerts.open == {}


def test_an_engine_that_goes_down_in_order_stops_nothing_for_good(host: Host) -> None:
    """On its way down the engine stops every container just as a person would."""
    host.start(restart="no")
    ref = host.ref("core")
    host.engine.stop(ref, 1)
    host.settle()
    host.clock.advance(1)
    host.lose_engine(20)
    host.reconciler.engine.patience(host.clock.now())
    assert host.alerts.kinds("fired") == ["engine-down"]
    host.engine.reachable = True
    host.look_at_all()
    host.run(10)
    assert host.state("core") == "healthy"
    assert host.alerts.open == {}


def test_a_health_check_that_stays_starting_is_reported_and_healed(host: Host) -> None:
    host.engine.build(IMAGE, healthcheck=True)
    health = {"mode": "docker", "start": "8s"}
    host.start(behaviour=Behaviour(healthy_after=None), section={"health": health, "heal": {"rollback_window": 0}})
    host.make("core")
    host.look_at_all()
    host.run(7)
    assert host.state("core") == "starting"
    host.run(5)
    assert host.alerts.kinds("fired") == ["unhealthy"]
    assert host.acts
    host.run(3600)
    assert host.state("core") == "quarantined"


@pytest.mark.parametrize("late", ["event", "flag"])
@pytest.mark.parametrize("restart", ["no", "unless-stopped"])
def test_that_memory_was_why_may_be_told_after_the_death(host: Host, late: str, restart: str) -> None:
    ref = host.start(restart=restart, section={"limits": {"memory": "64m"}})
    one = host.engine.life.containers[ref]
    host.engine.crash(ref, 137)
    host.settle()
    assert host.alerts.kinds("fired") == []
    if late == "event":
        host.engine.life.emit(one, "oom", host.clock.now())
        host.settle()
    elif one.state == "exited":
        one.oom_killed = True
    host.run(10)
    known = late == "event" or restart == "no"  # Docker's own start takes the flag away
    assert host.alerts.kinds("fired") == ["oom" if known else "exited"]


def test_a_kill_beside_a_memory_limit_is_waited_for_a_second_and_no_longer(host: Host) -> None:
    ref = host.start(restart="no", section={"limits": {"memory": "64m"}})
    host.engine.crash(ref, 137)
    died = host.clock.now()
    host.settle()
    host.run(10, until=lambda: bool(host.acts))
    assert host.alerts.kinds("fired") == ["exited"]
    assert host.acts[0].at - died <= 1.5


def test_the_same_error_is_not_tried_for_ever(host: Host) -> None:
    host.start()
    host.deployer.broken["core"] = EngineError("no space left on device")
    host.engine.remove(host.ref("core"))
    host.run(7200)
    assert host.state("core") == "quarantined"
    assert host.alerts.kinds("fired").count("heal-failed") == 1
    host.deployer.broken.clear()
    host.run(7200)
    assert host.state("core") == "healthy"
    assert host.alerts.open == {}


def test_a_bad_release_goes_back_once(host: Host) -> None:
    host.make("core", version="v1", deploy="core-1", at=host.clock.now() - OLD)
    host.look_at_all()
    host.run(5)
    host.make(
        "core", version="v2", deploy="core-2", at=host.clock.now(), behaviour=Behaviour(exit_after=2, exit_code=1)
    )
    host._made["core"]["behaviour"] = Behaviour()
    host.look_at_all()
    host.run(120)
    assert host.deployer.rollbacks == ["core"]
    assert host.state("core") == "healthy"
    assert host.alerts.kinds("told") == ["rolled-back"]
    assert host.alerts.open == {}


@pytest.mark.parametrize("step", [-7200.0, 7200.0])
def test_a_step_of_the_clock_neither_stalls_nor_storms(host: Host, step: float) -> None:
    host.start(restart="no")
    ref = host.ref("core")
    for _ in range(3):
        host.engine.crash(ref)
        host.settle()
        host.run(1)
    before = len(host.acts)
    host.clock.set(host.clock.now() + step)
    host.engine.life._timers.clear()
    host.look_at_all()
    host.run(400)
    container = host.engine.inspect(ref)
    assert container is not None
    assert container.running
    assert len(host.acts) - before <= 2


def test_a_day_of_random_crashes_brings_no_storm_and_no_lost_or_doubled_alert(tmp_path: Path) -> None:
    day(tmp_path, services=200, seed=1)


def day(folder: Path, *, services: int, seed: int) -> dict[str, float]:
    """24 h in which every service crashes about every four hours, hangs now and then, and a few loop for an hour."""
    chance = random.Random(seed)
    host = Host(folder)
    names = [f"s{number:03}" for number in range(services)]
    for number, name in enumerate(names):
        host.make(name, at=host.clock.now() - OLD, restart="no" if number % 3 == 0 else "unless-stopped")
    host.look_at_all()
    host.run(10)
    began = host.clock.now()
    plan: list[tuple[float, str, str]] = sorted(
        (began + chance.uniform(0, DAY - 14400), name, chance.choices(["crash", "hang", "loop"], [90, 8, 2])[0])
        for name in names
        for _ in range(6)
    )
    crashes = _live_through(host, plan)
    host.run(began + DAY - host.clock.now())

    assert {name: host.state(name) for name in names if host.state(name) != "healthy"} == {}
    assert host.alerts.open == {}
    fired = Counter((said.kind, said.service) for said in host.alerts.said if said.what == "fired")
    resolved = Counter((said.kind, said.service) for said in host.alerts.said if said.what == "resolved")
    assert fired == resolved
    incidents = host.memory.incidents(limit=10**6)
    assert all(incident.ended_at is not None for incident in incidents)
    assert sum(fired.values()) <= 3 * len(incidents)
    assert len(incidents) >= crashes * 0.9
    for name in names:
        own = sorted(act.at for act in host.acts if act.service == name)
        assert all(sum(first <= at < first + 600 for at in own) <= 5 for first in own), f"{name} stormed"
    every = sorted(act.at for act in host.acts)
    assert all(sum(first <= at < first + 600 for at in every[i : i + 500]) <= 400 for i, first in enumerate(every))
    host.database.close()
    return {"crashes": crashes, "incidents": len(incidents), "acts": len(host.acts), "alerts": sum(fired.values())}


def _live_through(host: Host, plan: list[tuple[float, str, str]]) -> int:
    """Let what is planned happen; how many crashes there were."""
    cures: list[tuple[float, str]] = []
    crashes = 0
    while plan or cures:
        at = min([entry[0] for entry in plan[:1]] + [cure[0] for cure in cures[:1]])
        host.run(max(0.0, at - host.clock.now()))
        if cures and cures[0][0] <= at:
            _, name = cures.pop(0)
            host.sick.discard(name)
            host.engine.behave(host.ref(name), Behaviour())
            host.reconciler.look(name, host.clock.now())
            continue
        _, name, what = plan.pop(0)
        container = host.engine.inspect(host.ref(name))
        assert container is not None
        if what == "hang":
            host.sick.add(name)
            host.reconciler.look(name, host.clock.now())
            cures.append((at + 30, name))
        elif container.running:
            crashes += 1
            if what == "loop":
                host.engine.behave(host.ref(name), Behaviour(exit_after=1.0, exit_code=1))
                cures.append((at + 3600, name))
            host.engine.crash(host.ref(name), 1)
            host.settle()
        cures.sort()
    return crashes


def test_a_first_deploy_and_a_removal_need_no_event(host: Host) -> None:
    host.start("core")
    host.make("other", at=host.clock.now() - OLD)
    host.engine.take_events()
    host.run(5)
    assert host.state("other") == "healthy"
    host.store.forget("other")
    host.clock.advance(1)
    host.run(2)
    assert set(host.reconciler.watches) == {"core"}
    assert set(host.memory.watches()) == {"core"}
