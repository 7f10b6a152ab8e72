"""Looks and acts that do not go as planned: what is done instead, what is kept, and what is tried again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.domain.containers import Container, ContainerSpec
from monitor.domain.health.watch import Watch
from monitor.domain.names import METRIC_EXITS, METRIC_OOM_KILLS
from monitor.errors import BgmonError, Conflict, EngineError, EngineUnreachable, LockedError, StateError
from monitor.services.watchdog.orphans import OrphanWatch
from monitor.testing.engine_containers import Behaviour
from monitor.testing.watch import FakeWatchStore
from tests.support.simulated import IMAGE, OLD, Host


def start(host: Host, service: str = "core", **changes: Any) -> str:
    ref = host.start(service, **changes)
    assert host.state(service) == "healthy"
    return ref


def fails(error: BgmonError, work: Callable[..., Any], times: int = 1) -> Callable[..., Any]:
    """`work`, whose first calls fail."""
    left = [error] * times

    def tried(*args: Any, **kwargs: Any) -> Any:
        if left:
            raise left.pop()
        return work(*args, **kwargs)

    return tried


def container(host: Host, service: str = "core") -> Container:
    found = host.engine.inspect(host.ref(service))
    assert found is not None
    return found


def hangs(host: Host) -> None:
    """It answers badly until it is restarted."""
    host.clock.advance(60)
    host.sick.add("core")
    host.reconciler.look("core", host.clock.now())
    host.sick.discard("core")


# -- acts --


def test_an_act_is_put_off_while_somebody_has_the_lock_and_is_no_failed_try(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = start(host, restart="no")
    acquire = fails(LockedError("ann is deploying core"), host.deps.locks.acquire)
    monkeypatch.setattr(host.deps.locks, "acquire", acquire)
    host.engine.crash(ref)
    host.settle()
    assert host.acts == []
    host.run(60, until=lambda: host.state("core") == "healthy")
    assert [act.how for act in host.acts] == ["start"]
    assert host.alerts.kinds("fired") == ["exited"]


def test_an_act_that_fails_is_told_and_tried_again(host: Host) -> None:
    ref = start(host, restart="no")
    host.engine.fail("start", EngineError("no space left on device\nand a second line"))
    host.engine.crash(ref)
    host.settle()
    host.run(600, until=lambda: host.state("core") == "healthy")
    assert host.state("core") == "healthy"
    (incident,) = host.memory.incidents()
    assert any("no space left on device" in act for act in incident.acts)
    assert not any("second line" in act for act in incident.acts)


def test_a_container_whose_address_is_taken_is_created_again_elsewhere(host: Host) -> None:
    ref = start(host, restart="no")
    host.engine.fail("start", Conflict("Address already in use"))
    host.engine.crash(ref)
    host.settle()
    host.run(5)
    assert [act.how for act in host.acts] == ["recreate"]
    assert host.state("core") == "healthy"
    assert host.ref("core") != ref
    (incident,) = host.memory.incidents()
    assert any("created again elsewhere, since its address was taken" in act for act in incident.acts)


def test_before_a_process_that_hangs_is_ended_what_it_shows_is_kept(host: Host) -> None:
    ref = start(host)
    host.engine.write_log(ref, b"waiting for the lock")
    hangs(host)
    assert [act.how for act in host.acts] == ["restart"]
    (incident,) = host.memory.incidents()
    assert "last log lines:\nwaiting for the lock" in incident.detail
    assert "processes:\nUID  PID" in incident.detail


def test_it_is_restarted_also_where_nothing_can_be_kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = start(host)
    host.engine.write_log(ref, b"waiting for the lock")
    host.engine.fail("top", EngineError("no such exec"))
    kept = fails(StateError("its secrets cannot be read"), host.deps.secrets.kept, times=2)
    monkeypatch.setattr(host.deps.secrets, "kept", kept)
    hangs(host)
    assert [act.how for act in host.acts] == ["restart"]
    (incident,) = host.memory.incidents()
    assert "waiting for the lock" not in incident.detail  # what could not be masked is not shown
    assert "processes" not in incident.detail


def test_a_rollback_that_fails_is_told_and_leaves_the_release(host: Host) -> None:
    host.make("core", version="v1", deploy="core-1", at=host.clock.now() - OLD)
    host.look_at_all()
    host.run(5)
    host.deployer.broken["core"] = EngineError("the image of v1 is gone")
    host.make(
        "core", version="v2", deploy="core-2", at=host.clock.now(), behaviour=Behaviour(exit_after=2, exit_code=1)
    )
    host.look_at_all()
    host.run(120)
    assert host.deployer.rollbacks == []
    assert "heal-failed" in host.alerts.kinds("fired")
    assert "rolled-back" not in host.alerts.kinds("told")
    release = host.store.active("core")
    assert release is not None
    assert release.version == "v2"


# -- what cannot be written down --


class FullDisk(FakeWatchStore):
    """Refuses to write while `full`."""

    full = False

    def save(self, watch: Watch) -> None:
        if self.full:
            raise StateError("state file: database or disk is full")
        super().save(watch)

    def note_incident(self, incident: int, text: str, at: float, *, detail: str = "") -> None:
        if self.full:
            raise StateError("state file: database or disk is full")
        super().note_incident(incident, text, at, detail=detail)


def test_a_full_disk_keeps_no_hung_process_from_being_restarted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FullDisk()
    host = Host(tmp_path, memory=disk)
    start(host)
    disk.full = True
    hangs(host)
    host.run(5)
    assert [act.how for act in host.acts] == ["restart"]
    assert host.state("core") == "healthy"
    assert "core: its last words could not be kept: state file" in caplog.text
    disk.full = False
    host.run(700)
    assert disk.watches()["core"] == host.reconciler.watches["core"]
    host.database.close()


def test_an_alert_that_cannot_be_told_undoes_no_act_and_is_decided_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = start(host, restart="no")
    monkeypatch.setattr(host.alerts, "fire", fails(StateError("state file: database is locked"), host.alerts.fire))
    host.engine.crash(ref)
    with pytest.raises(StateError):
        host.settle()
    assert container(host).running
    assert host.reconciler.event_memory.acting == {}
    assert host.reconciler.watches["core"].attempts >= 1
    host.run(60)
    assert host.state("core") == "healthy"
    assert host.alerts.kinds("fired") == host.alerts.kinds("resolved") == ["exited"]
    assert [act.how for act in host.acts] == ["start"]


def test_a_policy_that_cannot_be_set_is_no_reason_to_stop_healing(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    start(host, behaviour=Behaviour(exit_after=7, exit_code=3))
    host.engine.behave(host.ref("core"), Behaviour(exit_after=0.5, exit_code=3))
    host.engine.fail("set_restart_policy", EngineError("the container is being removed"))
    host.run(120)
    assert "core: restart policy no could not be set: the container is being removed" in caplog.text
    assert host.state("core") in ("crash-looping", "quarantined")


# -- looks --


def lost_at(host: Host) -> float | None:
    return host.reconciler.engine.lost_at


def test_a_look_at_an_engine_that_does_not_answer_changes_nothing(host: Host) -> None:
    start(host)
    before = host.reconciler.watches["core"]
    host.engine.fail("inspect", EngineUnreachable("connection refused"))
    host.look_at_all()
    assert lost_at(host) == host.clock.now()
    assert host.reconciler.watches["core"] == before
    assert host.alerts.said == []
    host.clock.advance(1)
    host.look_at_all()
    assert lost_at(host) is None
    assert host.state("core") == "healthy"


def test_an_answer_from_before_the_end_of_the_engine_is_no_return(host: Host) -> None:
    start(host)
    host.reconciler.engine.lost(host.clock.now(), "connection refused")
    assert not host.reconciler.engine_answers(host.clock.now() - 1)
    assert lost_at(host) is not None
    assert host.reconciler.engine_answers(host.clock.now())
    assert lost_at(host) is None


def test_a_stop_by_the_engine_on_its_way_down_is_forgotten_though_it_was_written_down(host: Host) -> None:
    ref = start(host, restart="no")
    host.engine.stop(ref, 1)
    host.settle()
    host.run(3)
    assert host.store.flags("core").stopped_by
    host.reconciler.engine.lost(host.clock.now(), "connection refused")
    host.clock.advance(20)
    host.look_at_all()
    host.run(10)
    assert host.store.flags("core").stopped_by == ""
    assert host.state("core") == "healthy"


def test_how_to_heal_is_what_the_file_says_today(host: Host) -> None:
    ref = start(host, restart="no")
    release = host.store.active("core")
    assert release is not None
    today = replace(release.spec, heal=replace(release.spec.heal, enabled=False))
    host.reconciler.reconfigure(replace(host.settings, specs={"core": today}))
    host.engine.crash(ref)
    host.settle()
    host.run(600)
    assert host.acts == []
    assert host.state("core") == "unhealthy"
    host.reconciler.reconfigure(replace(host.settings, specs={"core": release.spec}))
    host.look_at_all()
    host.run(5)
    assert host.state("core") == "healthy"


def test_what_is_removed_while_it_is_down_has_its_alerts_resolved(host: Host) -> None:
    ref = start(host, restart="no", section={"heal": "off"})
    host.engine.crash(ref)
    host.settle()
    assert ("exited", "core") in host.alerts.open
    host.store.forget("core")
    host.look_at_all()
    host.run(5)
    assert host.alerts.open == {}
    assert host.alerts.said[-1].text == "no longer deployed here"
    (incident,) = host.memory.incidents()
    assert incident.ended_at is not None
    assert host.reconciler.watches == {}


def test_a_service_that_was_never_deployed_leaves_nothing_behind(host: Host) -> None:
    host.reconciler.look("nobody", host.clock.now())
    assert host.reconciler.watches == {}
    assert host.alerts.said == []


def test_kills_for_want_of_memory_are_counted_by_events_where_the_kernel_is_out_of_sight(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.engine, "oom_kills", lambda _: None)
    ref = start(host)
    one = host.engine.life.containers[ref]
    for _ in range(2):
        host.clock.advance(1)
        host.engine.life.emit(one, "oom", host.clock.now())
        host.settle()
    assert host.totals.of(METRIC_OOM_KILLS) == {("core",): 2}
    assert host.totals.of(METRIC_EXITS) == {}
    assert container(host).running


# -- containers that no release knows --


def stranger(host: Host, name: str = "debug", **labels: str) -> None:
    host.engine.create(ContainerSpec(name, IMAGE, {"bgmon.project": "sim", **labels}))


def test_a_stranger_is_told_once_when_two_rounds_have_seen_it_and_again_when_it_comes_back(host: Host) -> None:
    start(host)
    watch = OrphanWatch(host.deps)
    stranger(host, **{"bgmon.service": "core"})
    watch.look()
    assert host.alerts.said == []
    watch.look()
    watch.look()
    assert host.alerts.kinds("told") == ["orphan"]
    host.engine.remove("debug")
    watch.look()
    stranger(host)
    watch.look()
    watch.look()
    assert host.alerts.kinds("told") == ["orphan", "orphan"]


def test_what_a_deploy_is_making_and_the_proxy_are_no_strangers(host: Host) -> None:
    start(host)
    stranger(host, "sim-core-green", **{"bgmon.service": "core"})
    host.deps.own.create(ContainerSpec("sim-proxy", IMAGE, {"bgmon.project": "sim"}), "proxy")
    watch = OrphanWatch(host.deps)
    lock: AbstractContextManager[Any] = host.deps.locks.acquire("core", wait=0, purpose="a deploy")
    with lock:
        watch.look()
        watch.look()
    assert host.alerts.said == []
    watch.look()
    watch.look()
    assert host.alerts.kinds("told") == ["orphan"]


@pytest.mark.parametrize("call", ["containers", "inspect"])
def test_a_look_that_the_engine_does_not_answer_to_its_end_has_told_nothing(host: Host, call: str) -> None:
    start(host)
    stranger(host)
    watch = OrphanWatch(host.deps)
    watch.look()
    host.engine.fail(call, EngineUnreachable("connection refused"))
    watch.look()
    assert host.alerts.said == []
    watch.look()
    assert host.alerts.kinds("told") == ["orphan"]
