"""The daemon on fakes, in a thread of its own: what its threads, timers and callbacks do with each other."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from monitor.domain.alerting.conditions import Condition
from monitor.domain.containers import Container, ContainerSpec, EngineEvent
from monitor.domain.deploy.records import DeployRecord
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer
from monitor.errors import BgmonError, ConfigError, EngineUnreachable, Problem, StateError, UsageError
from monitor.services.watchdog import daemon as module
from monitor.services.watchdog import probing
from monitor.services.watchdog.daemon import Daemon
from monitor.services.watchdog.daemon_deps import DaemonDeps, DaemonView
from monitor.services.watchdog.deps import WatchSettings
from monitor.services.watchdog.proxywatch import ProxyWatch
from monitor.services.watchdog.work_queue import SOON, URGENT
from monitor.testing.engine_containers import Behaviour
from monitor.testing.proxy import FakeProxy
from tests.support.simulated import IMAGE, OLD, Host
from tests.support.wait import wait_until

GOOD = ProbeAnswer(200, "ok", seconds=0.001)
BAD = ProbeAnswer(503, "no", seconds=0.001)
LABELS = {"bgmon.project": "sim", "bgmon.kind": "access"}


class Answers:
    """An AsyncProber: every probe is answered well, or badly while `sick` says so."""

    def __init__(self) -> None:
        self.sick: Callable[[], bool] = lambda: False
        self.closed = False

    async def probe(self, url: str, policy: HealthPolicy) -> ProbeAnswer:
        del url, policy
        return BAD if self.sick() else GOOD

    async def close(self) -> None:
        self.closed = True


class Manager:
    """A ServiceManager that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def ready(self) -> None:
        self.told.append("ready")

    def alive(self, status: str) -> None:
        self.told.append(status)

    def reloading(self) -> None:
        self.told.append("reloading")

    def stopping(self) -> None:
        self.told.append("stopping")


class Jobs:
    """A Scheduler whose work the test does itself."""

    def __init__(self) -> None:
        self.work: dict[str, Callable[[], None]] = {}
        self.every: dict[str, float] = {}
        self.calls: list[str] = []

    def add(self, name: str, every: float, work: Callable[[], None]) -> None:
        self.work[name], self.every[name] = work, every

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")


class Server:
    """A WebServer; `error` is what its start raises."""

    def __init__(self, error: BgmonError | None = None) -> None:
        self.error = error
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")
        if self.error is not None:
            raise self.error

    async def stop(self) -> None:
        self.calls.append("stop")


class Scene:
    """A simulated host and the daemon on it. Only the probes' intervals and the daemon's timers take real time."""

    def __init__(self, folder: Path) -> None:
        self.host = Host(folder)
        self.answers, self.manager, self.jobs = Answers(), Manager(), Jobs()
        self.wrong = ""
        self.stamp: object = 0
        self.settings: WatchSettings | ConfigError = self.host.settings
        self.error: BaseException | None = None
        self._daemon: Daemon | None = None
        self._thread: threading.Thread | None = None

    def make(self, service: str = "core", **changes: Any) -> str:
        section = {"health": {"path": "/", "interval": 0.02}, **changes.pop("section", {})}
        return self.host.make(service, at=self.host.clock.now() - OLD, section=section, **changes)

    def deps(self, **changes: Any) -> DaemonDeps:
        async def selfcheck() -> str:
            return self.wrong

        def reload() -> WatchSettings:
            if isinstance(self.settings, ConfigError):
                raise self.settings
            return self.settings

        made = DaemonDeps(
            watch=self.host.deps,
            settings=self.host.settings,
            events=self.host.engine,
            make_prober=lambda: self.answers,
            selfcheck=selfcheck,
            alerting=self.host.alerts,
            scheduler=self.jobs,
            manager=self.manager,
            reload=reload,
            stamp=lambda: self.stamp,
            reconcile=0.05,
        )
        return replace(made, **changes)

    @property
    def daemon(self) -> Daemon:
        assert self._daemon is not None
        return self._daemon

    def start(self, **changes: Any) -> Daemon:
        """Run the daemon; returns once it is ready, or has ended."""
        ready = threading.Event()
        daemon = self._daemon = Daemon(self.deps(on_ready=ready.set, **changes))

        def run() -> None:
            try:
                asyncio.run(daemon.run(signals=False))
            except BaseException as error:  # noqa: BLE001 - for the test to look at
                self.error = error
            ready.set()

        self._thread = threading.Thread(target=run, name="daemon")
        self._thread.start()
        assert ready.wait(20)
        return daemon

    def wait_end(self) -> None:
        if self._thread is not None:
            self._thread.join(30)
            assert not self._thread.is_alive(), "the daemon did not stop"

    def stop(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self.daemon.stop()
        self.wait_end()

    def close(self) -> None:
        try:
            self.host.engine.reachable = True
            self.stop()
        finally:
            self.host.database.close()

    # -- what is looked at --

    def state(self, service: str = "core") -> str:
        watch = self.daemon.watches().get(service)
        return watch.state if watch is not None else ""

    def wait_state(self, state: str, service: str = "core") -> None:
        self.wait(lambda: self.state(service) == state, f"{service} is {state}")

    def wait(self, look: Callable[[], object], what: str) -> None:
        wait_until(look, every=0.01, what=what)

    def pass_time_until(self, look: Callable[[], object], what: str, step: float = 0.5) -> None:
        """Let the host's clock run, a step at each look."""

        def moved() -> object:
            found = look()
            if not found:
                self.host.clock.advance(step)
                self.host.engine.life.advance()
            return found

        wait_until(moved, every=0.02, what=what)

    def work_is_done(self) -> None:
        """Everything that was urgent when this was called has been worked on."""
        done = threading.Event()
        self.daemon.work_queue.put(done.set, URGENT)
        assert done.wait(20)

    def container(self, ref: str) -> Container:
        found = self.host.engine.inspect(ref)
        assert found is not None
        return found


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Its timers are as quick as its probes; the thread is ended whatever became of the test."""
    monkeypatch.setattr(module, "_TICK", 0.02)
    monkeypatch.setattr(module, "_FILE_EVERY", 0.02)
    monkeypatch.setattr(module, "_ALIVE_EVERY", 0.05)
    monkeypatch.setattr(probing, "_TICK", 0.02)
    made = Scene(tmp_path)
    try:
        yield made
    finally:
        made.close()


def mistake(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("a mistake")


# -- from start to end --


def test_it_looks_at_everything_probes_it_and_is_ready(scene: Scene) -> None:
    scene.make("core")
    scene.make("other")
    daemon = scene.start()
    scene.wait_state("healthy", "core")
    scene.wait_state("healthy", "other")
    assert daemon.last_probe("core") == (True, 0.001)
    assert daemon.last_probe("nobody") is None
    assert daemon.up() == (True, True)
    assert daemon.problems() == []
    scene.wait(lambda: "2 of 2 services healthy" in scene.manager.told, "the service manager is told")
    assert scene.manager.told[0] == "ready"
    assert scene.host.alerts.said == []


def test_before_it_runs_it_knows_of_no_probe_and_says_that_events_are_not_read(scene: Scene) -> None:
    daemon = Daemon(scene.deps())
    daemon.stop()
    daemon._save_buckets()
    assert daemon.last_probe("core") is None
    assert daemon._verdict("core", "life") is None
    assert daemon.problems() == ["the event stream is not read"]
    assert scene.host.memory.buckets(0) == {}


def test_it_ends_in_order_and_leaves_its_memory_behind(scene: Scene) -> None:
    scene.make("core")
    server = Server()
    views: list[DaemonView] = []

    def make_server(view: DaemonView) -> Server:
        views.append(view)
        return server

    daemon = scene.start(make_server=make_server)
    scene.wait_state("healthy")
    scene.host.engine.pause(scene.host.ref("core"))
    scene.wait_state("stopped")
    assert views == [daemon]
    scene.stop()
    assert scene.error is None
    assert scene.manager.told[-1] == "stopping"
    assert scene.jobs.calls == ["start", "stop"]
    assert server.calls == ["start", "stop"]
    assert scene.answers.closed
    assert not daemon.pump.alive
    assert daemon.problems() == []
    assert scene.host.memory.last_event() == scene.host.engine.life.events[-1].at_ns
    (buckets,) = scene.host.memory.buckets(0).values()
    assert sum(bucket.probes for bucket in buckets) >= 2
    assert scene.host.memory.watches()["core"].state == "stopped"


def test_an_address_that_is_taken_ends_it_before_anything_is_begun(scene: Scene) -> None:
    scene.make("core")
    scene.start(make_server=lambda _: Server(UsageError("127.0.0.1:9900 is taken")))
    scene.wait_end()
    assert isinstance(scene.error, UsageError)
    assert scene.manager.told == []
    assert scene.jobs.work == {}
    assert scene.daemon.watches() == {}


def test_a_mistake_in_one_of_its_loops_ends_it_in_order_with_that_error(scene: Scene) -> None:
    stamps: list[object] = [0]
    scene.start(stamp=lambda: stamps.pop() if stamps else mistake())
    scene.wait_end()
    assert isinstance(scene.error, ZeroDivisionError)
    assert scene.manager.told[-1] == "stopping"
    assert scene.answers.closed


def test_what_an_earlier_daemon_said_of_itself_is_closed_and_notices_are_said(scene: Scene) -> None:
    alerts = scene.host.alerts
    alerts.fire(Condition("host-offline", "", "page", "this host cannot reach its own services"), 1.0)
    alerts.fire(Condition("state", "bgmon.yml", "ticket", "bgmon.yml cannot be used"), 1.0)
    notice = Condition("state", "", "ticket", "the state file was damaged, and a new one was begun")
    scene.start(notices=[notice])
    assert alerts.open == {("state", ""): notice}
    assert alerts.kinds("resolved") == ["host-offline", "state"]


def test_an_act_under_way_is_finished_before_it_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = scene.make("core", restart="no")
    scene.start()
    scene.wait_state("healthy")
    begun, may_go_on = threading.Event(), threading.Event()
    start = scene.host.engine.start

    def slow(container: str) -> None:
        begun.set()
        may_go_on.wait(20)
        start(container)

    monkeypatch.setattr(scene.host.engine, "start", slow)
    try:
        scene.host.engine.crash(ref)
        assert begun.wait(20)
        scene.daemon.stop()
        scene.wait(lambda: scene.daemon.stopping, "it stops")
    finally:
        may_go_on.set()
    scene.wait_end()
    assert [act.how for act in scene.host.acts] == ["start"]
    assert scene.container(ref).running
    (incident,) = scene.host.memory.incidents()
    assert any("started in" in act for act in incident.acts)


def test_a_crash_loop_is_given_back_to_docker_when_it_ends(scene: Scene) -> None:
    ref = scene.make("core", behaviour=Behaviour(exit_after=0.5, exit_code=3))
    scene.start()
    scene.pass_time_until(lambda: scene.container(ref).restart_policy == "no", "bgmon restarts it")
    scene.wait(lambda: scene.daemon.watches()["core"].taken, "it is remembered")
    scene.stop()
    assert scene.container(ref).restart_policy == "unless-stopped"
    assert scene.host.memory.watches()["core"].taken == "unless-stopped"


def test_signals_have_it_read_its_file_again_and_end(scene: Scene) -> None:
    """In the main thread, which alone may handle signals."""
    read: list[str] = []

    def reload() -> WatchSettings:
        read.append("again")
        os.kill(os.getpid(), signal.SIGTERM)
        return WatchSettings()

    def hang_up() -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    async def story() -> None:
        async with asyncio.timeout(20):
            await Daemon(scene.deps(reload=reload, on_ready=hang_up)).run()

    asyncio.run(story())
    assert read == ["again"]
    assert [word for word in scene.manager.told if "services" not in word] == ["ready", "reloading", "stopping"]


# -- services --


def test_a_container_that_died_is_started_again(scene: Scene) -> None:
    ref = scene.make("core", restart="no")
    scene.start()
    scene.wait_state("healthy")
    scene.host.engine.crash(ref, 3)
    scene.wait(lambda: scene.host.alerts.kinds("resolved") == ["exited"], "it is healthy again")
    assert [act.how for act in scene.host.acts] == ["start"]
    assert scene.state() == "healthy"


def test_a_service_that_answers_badly_is_restarted(scene: Scene) -> None:
    scene.make("core")
    scene.start()
    scene.wait_state("healthy")
    scene.host.clock.advance(1)  # or the next life would have the moment of this one
    scene.answers.sick = lambda: not scene.host.acts
    scene.wait(lambda: scene.host.alerts.kinds("resolved") == ["unhealthy"], "it is healthy again")
    assert [act.how for act in scene.host.acts] == ["restart"]
    assert scene.host.alerts.kinds("fired") == ["unhealthy"]
    (incident,) = scene.host.memory.incidents()
    assert "status 503 is not 200" in incident.cause
    assert "saved its log tail and its processes" in incident.acts


def test_what_a_person_stopped_is_left_alone(scene: Scene) -> None:
    ref = scene.make("core")
    scene.start()
    scene.wait_state("healthy")
    scene.host.engine.stop(ref, 1)
    scene.pass_time_until(lambda: scene.state() == "stopped", "it counts as stopped")
    assert scene.host.store.flags("core").stopped_by
    assert scene.host.acts == []
    scene.host.engine.start(ref)
    scene.wait_state("healthy")


def test_a_service_that_is_deployed_meanwhile_is_watched_and_one_that_is_removed_forgotten(scene: Scene) -> None:
    scene.make("core")
    scene.start()
    scene.wait_state("healthy")
    scene.make("other")
    scene.wait_state("healthy", "other")
    scene.host.store.forget("core")
    scene.wait(lambda: set(scene.daemon.watches()) == {"other"}, "it is forgotten")
    assert set(scene.host.memory.watches()) == {"other"}


def test_a_service_that_waits_to_be_looked_at_is_looked_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    daemon = scene.start(reconcile=600.0)
    scene.work_is_done()
    may_go_on = threading.Event()
    monkeypatch.setattr(daemon.reconciler, "look", lambda service, _: looks.append(service))
    daemon.work_queue.put(partial(_wait, may_go_on), URGENT)
    for urgency in (SOON, SOON, URGENT, SOON):
        daemon.look("core", urgency)
    may_go_on.set()
    scene.wait(lambda: daemon.work_queue.waiting() == 0 and looks, "it is looked at")
    scene.work_is_done()
    assert looks == ["core"]


def test_a_container_that_no_release_knows_is_told_once(scene: Scene) -> None:
    scene.make("core")
    scene.host.engine.create(ContainerSpec("debug", IMAGE, {"bgmon.project": "sim", "bgmon.service": "core"}))
    scene.start()
    scene.wait(lambda: scene.host.alerts.kinds("told") == ["orphan"], "it is told")
    assert scene.host.engine.inspect("debug") is not None


def test_failed_probes_are_put_down_to_a_host_that_cannot_reach_itself(scene: Scene) -> None:
    scene.make("core")
    scene.start()
    scene.wait_state("healthy")
    scene.wrong = "a connection over loopback failed"
    scene.answers.sick = lambda: True
    scene.wait(lambda: scene.host.alerts.open, "it is told")
    assert scene.host.alerts.open["host-offline", ""].detail == "a connection over loopback failed"
    scene.answers.sick = lambda: False
    scene.wait(lambda: not scene.host.alerts.open, "it is over")
    assert scene.state() == "healthy"
    assert scene.host.acts == []
    assert [(said.what, said.kind) for said in scene.host.alerts.said] == [
        ("fired", "host-offline"),
        ("resolved", "host-offline"),
    ]


# -- the engine --


def test_an_engine_that_is_away_is_told_and_everything_is_looked_at_when_it_is_back(scene: Scene) -> None:
    ref = scene.make("core", restart="no")
    daemon = scene.start()
    scene.wait_state("healthy")
    scene.host.engine.reachable = False
    scene.host.engine.close_events()
    scene.host.engine.crash(ref)
    scene.wait(lambda: "the Docker engine does not answer" in daemon.problems(), "it is missed")
    assert daemon.up() == (False, True)
    scene.host.clock.advance(6)
    scene.wait(lambda: ("engine-down", "") in scene.host.alerts.open, "it is told")
    scene.host.engine.reachable = True
    scene.wait(lambda: ("engine-down", "") not in scene.host.alerts.open, "it is back")
    scene.pass_time_until(lambda: scene.container(ref).running, "the service is started again")
    scene.wait_state("healthy")
    assert daemon.problems() == []
    assert daemon.up() == (True, True)


def test_an_engine_that_is_away_at_the_start_is_waited_for(scene: Scene) -> None:
    scene.make("core")
    scene.host.engine.reachable = False
    daemon = scene.start()
    scene.wait(lambda: "the Docker engine does not answer" in daemon.problems(), "it is missed")
    scene.host.engine.reachable = True
    scene.wait_state("healthy")
    assert daemon.problems() == []


def test_a_stream_that_tells_nothing_is_read_anew(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ref = scene.make("core", restart="no")
    daemon = scene.start()
    scene.wait_state("healthy")
    connects = daemon.pump.connects
    scene.host.clock.advance(10)
    with monkeypatch.context() as deaf:
        deaf.setattr(scene.host.engine.life, "emit", lambda *_, **__: None)
        scene.host.engine.crash(ref)
        scene.pass_time_until(lambda: daemon.pump.connects > connects, "it is read anew")
    scene.pass_time_until(lambda: scene.state() == "healthy", "the service is healthy")
    assert "core changed and the event stream did not say so" in caplog.text
    assert "engine-down" not in scene.host.alerts.kinds("fired")


# -- the proxy --


class Traffic:
    """A proxy, its container, and what the daemon watches it with."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.proxy = FakeProxy()
        self.proxy.boot([])
        self.stopped: Callable[[], bool] = lambda: False
        self.container = scene.host.deps.own.create(ContainerSpec("sim-proxy", IMAGE, LABELS, restart="no"), "proxy").id
        scene.host.engine.start(self.container)

    def watch(self, stopped: Callable[[], bool]) -> ProxyWatch:
        self.stopped = stopped
        deps = self.scene.host.deps
        return ProxyWatch(
            self.proxy,
            list,
            deps.deployer,
            needed=lambda: True,
            stopped=stopped,
            locks=deps.locks,
            alerts=deps.alerts,
            clock=deps.clock,
        )

    def event(self, happen: Callable[[], None]) -> None:
        """What happens to the engine, and until the daemon has worked on the event of it."""
        read: list[str] = []
        daemon = self.scene.daemon
        take = daemon.pump._on_event

        def taken(event: EngineEvent) -> None:
            take(event)
            read.append(event.action)

        daemon.pump._on_event = taken
        happen()
        last = self.scene.host.engine.life.events[-1].action
        self.scene.wait(lambda: last in read, f"{last} is read")
        self.scene.work_is_done()


def test_a_proxy_that_died_is_started_at_once(scene: Scene) -> None:
    traffic = Traffic(scene)
    scene.start(make_proxy=traffic.watch)
    assert scene.jobs.every["proxy"] == 5.0
    traffic.proxy.crash()
    scene.host.engine.crash(traffic.container)
    scene.wait(lambda: scene.host.alerts.kinds("resolved") == ["proxy-down"], "it is up again")
    assert traffic.proxy.status().running
    assert scene.daemon.up() == (True, True)


def test_a_proxy_that_a_person_stopped_is_left_alone_until_it_is_started(scene: Scene) -> None:
    traffic = Traffic(scene)
    scene.start(make_proxy=traffic.watch)
    traffic.proxy.crash()
    traffic.event(lambda: scene.host.engine.stop(traffic.container, 1))
    assert traffic.stopped()
    scene.jobs.work["proxy"]()
    assert not traffic.proxy.status().running
    assert scene.daemon.up() == (True, False)
    traffic.event(lambda: scene.host.engine.start(traffic.container))
    assert not traffic.stopped()
    scene.jobs.work["proxy"]()
    assert traffic.proxy.status().running


def test_nothing_is_done_for_the_proxy_while_the_engine_is_away(scene: Scene) -> None:
    traffic = Traffic(scene)
    daemon = scene.start(make_proxy=traffic.watch)
    scene.host.engine.reachable = False
    scene.host.engine.close_events()
    scene.wait(lambda: not daemon.up()[0], "it is missed")
    traffic.proxy.crash()
    scene.jobs.work["proxy"]()
    assert not traffic.proxy.status().running
    assert "proxy-down" not in scene.host.alerts.kinds("fired")


def test_a_stranger_with_the_labels_of_the_proxy_says_nothing_about_it(scene: Scene) -> None:
    traffic = Traffic(scene)
    stranger = scene.host.engine.create(ContainerSpec("copy", IMAGE, LABELS)).id
    scene.start(make_proxy=traffic.watch)
    traffic.event(lambda: scene.host.engine.start(stranger))
    traffic.event(lambda: scene.host.engine.stop(stranger, 1))
    assert not traffic.stopped()


def test_an_event_whose_container_cannot_be_told_apart_is_left_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: str) -> Any:
        raise StateError("state file: database is locked")

    traffic = Traffic(scene)
    scene.start(make_proxy=traffic.watch)
    monkeypatch.setattr(scene.host.deps.own, "knows", away)
    traffic.event(lambda: scene.host.engine.stop(traffic.container, 1))
    assert not traffic.stopped()
    assert f"whether {traffic.container[:12]} is the proxy cannot be told: state file" in caplog.text


# -- deploys that were cut off --


def cut_off(scene: Scene) -> None:
    record = DeployRecord("core-cut", "core", "deploy", IMAGE, "v2", "ann", scene.host.clock.now())
    scene.host.store.begin(record)


def test_a_deploy_that_was_cut_off_is_settled_at_the_start_and_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.make("core")
    cut_off(scene)

    def recover() -> list[str]:
        scene.host.store.finish("core-cut", "aborted", at=scene.host.clock.now())
        return ["core: the deploy of v2 was cut off; v1 serves"]

    monkeypatch.setattr(scene.host.deployer, "recover", recover)
    scene.start(make_proxy=Traffic(scene).watch)
    scene.wait(lambda: scene.host.alerts.kinds("told", "core"), "it is told")
    scene.wait_state("healthy")
    assert scene.host.alerts.kinds("told", "core") == ["deploy-failed"]


@pytest.mark.parametrize("wrong", [EngineUnreachable("nobody is there"), ZeroDivisionError("a mistake")])
def test_settling_that_fails_is_tried_again_in_the_next_round(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: Exception
) -> None:
    tries: list[int] = []

    def recover() -> list[str]:
        tries.append(len(tries))
        if len(tries) < 3:
            raise wrong
        scene.host.store.finish("core-cut", "aborted", at=scene.host.clock.now())
        return []

    cut_off(scene)
    monkeypatch.setattr(scene.host.deployer, "recover", recover)
    scene.start(make_proxy=Traffic(scene).watch)
    scene.wait(lambda: not scene.host.store.unfinished(), "it is settled")
    assert tries == [0, 1, 2]
    assert str(wrong) in caplog.text


# -- chores --


def test_chores_are_handed_to_the_scheduler(scene: Scene) -> None:
    called: list[str] = []
    scene.make("core")
    scene.start(extra=[("certificates", 60.0, lambda: called.append("certificates"))], retention=100.0)
    assert scene.jobs.every == {"prune": 3600.0, "history": 60.0, "certificates": 60.0}
    scene.wait_state("healthy")
    scene.jobs.work["history"]()
    scene.wait(lambda: scene.host.memory.buckets(0), "the probes are written down")
    memory = scene.host.memory
    memory.open_incident("gone", "exited", "exit code 1", 1.0)
    memory.close_incident("gone", scene.host.clock.now() - 101, "healthy again")
    scene.jobs.work["prune"]()
    assert memory.incidents(service="gone") == []
    scene.jobs.work["certificates"]()
    assert called == ["certificates"]


# -- configuration --


def test_a_file_that_changes_while_it_starts_is_read_again(scene: Scene) -> None:
    newer = WatchSettings(log_lines=7)

    class Slow(Server):
        async def start(self) -> None:
            scene.settings, scene.stamp = newer, 1

    daemon = scene.start(make_server=lambda _: Slow())
    scene.wait(lambda: daemon.reconciler.settings is newer, "it is in force")
    assert scene.manager.told.count("reloading") == 1


def test_a_file_that_changed_is_read_again(scene: Scene) -> None:
    scene.make("core")
    daemon = scene.start()
    newer = WatchSettings(log_lines=7)
    scene.settings, scene.stamp = newer, 1
    scene.wait(lambda: daemon.reconciler.settings is newer, "it is in force")
    assert scene.manager.told.count("reloading") == 1
    assert scene.host.alerts.said == []


def test_a_file_that_cannot_be_used_is_told_and_the_former_one_stays_in_force(scene: Scene) -> None:
    daemon = scene.start()
    former = daemon.reconciler.settings
    scene.settings, scene.stamp = ConfigError([Problem("bgmon.yml", 1, "servces", "no such key")]), 1
    scene.wait(lambda: scene.host.alerts.open, "it is told")
    assert "servces" in scene.host.alerts.open["state", "bgmon.yml"].detail
    assert daemon.reconciler.settings is former
    scene.settings, scene.stamp = WatchSettings(log_lines=7), 2
    scene.wait(lambda: not scene.host.alerts.open, "it is over")
    scene.wait(lambda: daemon.reconciler.settings is scene.settings, "it is in force")


# -- what it says of itself --


def test_what_could_not_be_written_down_is_a_problem_and_the_watch_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise StateError("state file: database or disk is full")

    ref = scene.make("core", restart="no")
    daemon = scene.start()
    scene.wait_state("healthy")
    with monkeypatch.context() as disk:
        disk.setattr(scene.host.memory, "set_last_event", full)
        scene.host.engine.crash(ref)
        scene.wait(lambda: daemon.problems() == ["state file: database or disk is full"], "it is a problem")
    scene.wait(lambda: scene.container(ref).running, "the service is started again")


def test_work_that_makes_no_progress_is_a_problem_until_it_does(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.make("core")
    daemon = scene.start()
    scene.wait_state("healthy")
    monkeypatch.setattr(module, "_STUCK_AFTER", 0.5)
    may_go_on = threading.Event()
    try:
        daemon.work_queue.put(partial(_wait, may_go_on), URGENT)
        scene.wait(lambda: daemon.problems() == ["the reconciler makes no progress"], "it is a problem")
    finally:
        may_go_on.set()
    scene.wait(lambda: daemon.problems() == [], "it is over")
    assert scene.state() == "healthy"


def _wait(event: threading.Event) -> None:
    event.wait(20)


def test_a_mistake_in_work_for_the_pool_is_logged_and_ends_nothing(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = scene.start()
    with caplog.at_level(logging.ERROR):
        daemon._dispatch(mistake)
        scene.wait(lambda: "an act of the watchdog failed" in caplog.text, "it is logged")
    done = threading.Event()
    daemon._dispatch(done.set)
    assert done.wait(20)


def test_no_act_is_begun_and_no_service_looked_at_while_it_stops(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.make("core")
    daemon = scene.start()
    scene.wait_state("healthy")
    scene.stop()
    looks: list[str] = []
    monkeypatch.setattr(daemon.reconciler, "look", lambda service, _: looks.append(service))
    daemon._dispatch(lambda: looks.append("an act"))
    daemon.look("core", URGENT)
    daemon._look("core")
    daemon._round("core")
    assert looks == []
