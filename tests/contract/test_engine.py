"""The Engine port: the fake and a real engine keep the same promises."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Literal

import docker
import pytest

from monitor.adapters.docker.engine import DockerEngine
from monitor.domain.containers import Container, ContainerSpec, EngineEvent, PullProgress
from monitor.domain.names import LABEL_PROJECT, LABEL_SERVICE
from monitor.errors import Conflict, EngineError, EngineUnreachable, NotFound, PullFailed
from monitor.ports.engine import Engine
from monitor.testing.engine import FakeEngine
from monitor.testing.engine_containers import Behaviour
from tests.support.engine import remove_project
from tests.support.registry import Registry
from tests.support.wait import wait_until

Kind = Literal["sleeps", "fails", "talks", "checked"]
LINES = (b"one", b"two", b"three")
_SCRIPTS: dict[Kind, str] = {
    "sleeps": "echo up; exec sleep 600",
    "fails": "exit 3",
    "talks": "echo one; echo two; echo three; exec sleep 600",
    "checked": "echo up; exec sleep 600",
}


class FakeWorld:
    """The fake, and what the tests need of the world around it."""

    def __init__(self, port: int) -> None:
        self.now = 1_000_000.0
        self.fake = FakeEngine(lambda: self.now)
        self.fake.build("sleeps:1", Behaviour(output=(b"up",)))
        self.fake.build("fails:1", Behaviour(exit_after=0.1, exit_code=3))
        self.fake.build("talks:1", Behaviour(output=LINES))
        self.fake.build("checked:1", Behaviour(healthy_after=1, output=(b"up",)), healthcheck=True)
        self.fake.answers["/bin/sh", "-c", "echo inside; exit 7"] = (7, b"inside\n")
        self.engine: Engine = self.fake
        self.project = "p"
        self.port = port
        self.repository = "reg.example.com/shop/core"

    def options(self, kind: Kind) -> dict[str, Any]:
        return {"image": f"{kind}:1"}

    def until(self, look: Callable[[], Any]) -> Any:
        for _ in range(100):
            if found := look():
                return found
            self.now += 1
        raise AssertionError("never")

    @contextlib.contextmanager
    def stranger_listens(self) -> Iterator[None]:
        self.fake.ports_taken.add(self.port)
        yield
        self.fake.ports_taken.clear()

    def push(self, content: str) -> str:
        self.fake.push(f"{self.repository}:v1", content=content)
        return f"{self.repository}:v1"

    def unreachable(self) -> Engine:
        self.fake.reachable = False
        return self.fake


class RealWorld:
    """A real engine; what is made on it carries the test's project."""

    def __init__(self, client: docker.DockerClient, image: str, port: int, request: pytest.FixtureRequest) -> None:
        self._client = client
        self._image = image
        self._request = request
        self._pushed: list[str] = []
        self._real = DockerEngine()
        self.engine: Engine = self._real
        self.project = f"t{uuid.uuid4().hex[:10]}"
        self.port = port

    @property
    def _registry(self) -> Registry:
        registry: Registry = self._request.getfixturevalue("registry")
        return registry

    @property
    def repository(self) -> str:
        return f"{self._registry.address}/{self.project}/core"

    def options(self, kind: Kind) -> dict[str, Any]:
        options = {"image": self._image, "command": ("/bin/sh", "-c", _SCRIPTS[kind])}
        check = {"test": ["CMD", "true"], "interval": 100_000_000}
        return {**options, "extra": {"healthcheck": check}} if kind == "checked" else options

    def until(self, look: Callable[[], Any]) -> Any:
        return wait_until(look)

    @contextlib.contextmanager
    def stranger_listens(self) -> Iterator[None]:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", self.port))
            listener.listen()
            yield

    def push(self, content: str) -> str:
        self._request.getfixturevalue("logged_in")
        made = self._client.api.create_container(self._image, labels={LABEL_PROJECT: self.project})
        local = f"{self.project}-image"
        self._client.api.commit(made["Id"], local, changes=f"LABEL content={content}")
        reference = self._registry.push(local, f"{self.project}/core:v1")
        self._client.images.remove(local)
        return reference

    def unreachable(self) -> Engine:
        return DockerEngine("unix:///run/bgmon-test-no-engine.sock")

    def clean(self) -> None:
        self._real.close()
        remove_project(self._client, self.project)
        for image in self._client.api.images():
            if any(self.project in name for name in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ()))):
                self._client.api.remove_image(image["Id"], force=True)


World = FakeWorld | RealWorld


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.engine)])
def world(request: pytest.FixtureRequest, free_port: Callable[[], int]) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld(free_port())
        return
    real = RealWorld(
        request.getfixturevalue("docker_client"), request.getfixturevalue("busybox_image"), free_port(), request
    )
    yield real
    real.clean()


@pytest.fixture
def engine(world: World) -> Engine:
    return world.engine


def spec(world: World, service: str = "core", kind: Kind = "sleeps", **changes: Any) -> ContainerSpec:
    options: dict[str, Any] = {
        "name": f"{world.project}-{service}",
        "labels": {LABEL_PROJECT: world.project, LABEL_SERVICE: service},
        "restart": "no",
        **world.options(kind),
        **changes,
    }
    return ContainerSpec(**options)


def started(world: World, service: str = "core", kind: Kind = "sleeps", **changes: Any) -> Container:
    made = world.engine.create(spec(world, service, kind, **changes))
    world.engine.start(made.id)
    if kind != "fails":
        ready(world, made.id)
    found = world.engine.inspect(made.id)
    assert found is not None
    return found


def ready(world: World, ref: str) -> None:
    """Wait for its first line: before, its init may not pass signals on yet."""
    world.until(lambda: list(world.engine.logs(ref)))


def seen(engine: Engine, ref: str) -> Container:
    found = engine.inspect(ref)
    assert found is not None
    return found


# --- a container's life ---


def test_a_created_container_waits_for_its_start(world: World, engine: Engine) -> None:
    made = engine.create(spec(world, publish={3000: ("127.0.0.1", world.port)}, restart="unless-stopped"))
    assert (made.state, made.started_at, made.finished_at, made.pid) == ("created", None, None, 0)
    assert (made.name, made.service, made.restart_policy) == (f"{world.project}-core", "core", "unless-stopped")
    assert made.ports == {3000: world.port}
    assert made.created_at is not None
    assert engine.inspect(made.id) == engine.inspect(made.name) == made


def test_a_started_container_runs_and_starting_it_again_is_no_error(world: World, engine: Engine) -> None:
    running = started(world)
    assert running.running
    assert running.pid > 0
    assert running.started_at is not None
    engine.start(running.id)
    assert seen(engine, running.id).started_at == running.started_at


def test_a_process_that_ends_leaves_its_exit_code(world: World, engine: Engine) -> None:
    failing = started(world, kind="fails")
    ended = world.until(lambda: (now := seen(engine, failing.id)).state == "exited" and now)
    assert (ended.exit_code, ended.oom_killed, ended.pid) == (3, False, 0)
    # The engine notes the start of a process only after it began, so that one may have ended a moment "before".
    assert ended.finished_at >= ended.created_at


def test_the_kernel_counts_what_it_kills_in_a_container_that_runs(world: World, engine: Engine) -> None:
    running = started(world)
    assert engine.oom_kills(running) == 0
    engine.kill(running.id)
    assert engine.oom_kills(world.until(lambda: (now := seen(engine, running.id)).state == "exited" and now)) is None


def test_stop_ends_it_and_takes_one_that_is_stopped_or_gone(world: World, engine: Engine) -> None:
    running = started(world)
    engine.stop(running.id, 5)
    assert seen(engine, running.id).exit_code == 143
    engine.stop(running.id, 5)
    engine.remove(running.id)
    engine.stop(running.id, 5)


def test_restart_begins_a_new_run_that_docker_does_not_count(world: World, engine: Engine) -> None:
    first = started(world)
    engine.restart(first.id, 5)
    second = seen(engine, first.id)
    assert second.running
    assert second.restarts == 0
    assert second.finished_at is not None


def test_a_restart_policy_set_later_counts(world: World, engine: Engine) -> None:
    running = started(world, kind="fails", restart="no")
    world.until(lambda: seen(engine, running.id).state == "exited")
    engine.set_restart_policy(running.id, "unless-stopped")
    assert seen(engine, running.id).restart_policy == "unless-stopped"
    engine.start(running.id)
    world.until(lambda: seen(engine, running.id).restarts >= 1)
    engine.set_restart_policy(running.id, "no")
    engine.stop(running.id, 5)
    engine.start(running.id)
    assert seen(engine, running.id).restarts == 0


def test_kill_ends_it_with_137_and_a_dead_one_cannot_be_killed(world: World, engine: Engine) -> None:
    running = started(world)
    engine.kill(running.id)
    world.until(lambda: seen(engine, running.id).state == "exited")
    assert seen(engine, running.id).exit_code == 137
    with pytest.raises(Conflict):
        engine.kill(running.id)
    engine.start(running.id)
    world.until(lambda: len(list(engine.logs(running.id))) == 2)
    engine.kill(running.id, "SIGTERM")
    world.until(lambda: seen(engine, running.id).state == "exited")
    assert seen(engine, running.id).exit_code == 143


def test_remove_takes_a_running_one_and_one_that_is_gone(world: World, engine: Engine) -> None:
    running = started(world)
    engine.remove(running.name)
    assert engine.inspect(running.id) is None
    engine.remove(running.name)


def test_a_name_is_given_once(world: World, engine: Engine) -> None:
    first = engine.create(spec(world))
    with pytest.raises(Conflict, match="already in use"):
        engine.create(spec(world))
    other = engine.create(spec(world, "other"))
    with pytest.raises(Conflict, match="already in use"):
        engine.rename(other.id, first.name)
    engine.rename(first.id, f"{world.project}-parked")
    assert engine.inspect(first.name) is None
    assert seen(engine, first.id).name == f"{world.project}-parked"


def test_a_port_is_given_once(world: World, engine: Engine) -> None:
    started(world, publish={80: ("127.0.0.1", world.port)})
    second = engine.create(spec(world, "second", publish={80: ("127.0.0.1", world.port)}))
    with pytest.raises(Conflict, match="port"):
        engine.start(second.id)
    assert not seen(engine, second.id).running


def test_a_port_that_a_stranger_has_is_a_conflict(world: World, engine: Engine) -> None:
    made = engine.create(spec(world, publish={80: ("127.0.0.1", world.port)}))
    with world.stranger_listens(), pytest.raises(Conflict) as caught:
        engine.start(made.id)
    assert str(world.port) in str(caught.value)


def test_what_is_not_there_is_not_found(world: World, engine: Engine) -> None:
    gone = f"{world.project}-gone"
    assert engine.inspect(gone) is None
    assert engine.stats(gone) is None
    for call in (
        lambda: engine.start(gone),
        lambda: engine.restart(gone, 1),
        lambda: engine.kill(gone),
        lambda: engine.rename(gone, "x"),
        lambda: engine.set_restart_policy(gone, "no"),
        lambda: list(engine.logs(gone)),
        lambda: engine.exec(gone, ("true",)),
        lambda: engine.top(gone),
        lambda: engine.connect(world.project, gone, ()),
        lambda: engine.create(spec(world, image="bgmon-test/no-such-image:1")),
        lambda: engine.remove_image("bgmon-test/no-such-image:1"),
    ):
        with pytest.raises(NotFound):
            call()


def test_containers_are_found_by_labels_whatever_their_state(world: World, engine: Engine) -> None:
    started(world, "a")
    engine.create(spec(world, "b"))
    engine.create(spec(world, "c", labels={LABEL_PROJECT: f"{world.project}x"}))
    mine = {LABEL_PROJECT: world.project}
    assert sorted((one.service, one.state) for one in engine.containers(mine)) == [("a", "running"), ("b", "created")]
    assert [one.service for one in engine.containers({**mine, LABEL_SERVICE: "b"})] == ["b"]
    assert len(engine.containers({**mine, LABEL_SERVICE: ""})) == 2
    assert engine.containers({LABEL_PROJECT: "nobody"}) == []
    engine.remove(f"{world.project}-c")


# --- inside ---


def test_stats_say_what_a_running_container_uses(world: World, engine: Engine) -> None:
    running = started(world, memory=64 * 1024 * 1024)
    stats = world.until(lambda: (now := engine.stats(running.id)) and now.memory > 0 and now)
    assert stats.memory < stats.memory_limit == 64 * 1024 * 1024
    assert stats.cpu_seconds >= 0
    engine.stop(running.id, 5)
    assert engine.stats(running.id) is None


def test_exec_gives_exit_code_and_output(world: World, engine: Engine) -> None:
    running = started(world)
    assert engine.exec(running.id, ("/bin/sh", "-c", "echo inside; exit 7")) == (7, b"inside\n")
    engine.stop(running.id, 5)
    with pytest.raises(Conflict, match="not running"):
        engine.exec(running.id, ("true",))


def test_top_lists_processes_below_a_heading(world: World, engine: Engine) -> None:
    running = started(world)
    heading, first, *_ = engine.top(running.id)
    assert "PID" in heading
    assert str(running.pid) in first
    engine.stop(running.id, 5)
    with pytest.raises(Conflict, match="not running"):
        engine.top(running.id)


def test_log_lines_come_oldest_first_without_their_ends(world: World, engine: Engine) -> None:
    running = started(world, kind="talks")
    world.until(lambda: len(list(engine.logs(running.id))) == len(LINES))
    assert tuple(engine.logs(running.id)) == LINES
    assert tuple(engine.logs(running.id, tail=2)) == LINES[1:]
    assert list(engine.logs(running.id, tail=0)) == []
    stamped = list(engine.logs(running.id, timestamps=True))
    assert [line.partition(b" ")[2] for line in stamped] == list(LINES)
    assert all(line[:2] in (b"19", b"20") for line in stamped)
    assert running.started_at is not None
    assert list(engine.logs(running.id, since=running.started_at + 3600)) == []
    assert list(engine.logs(running.id, until=running.started_at - 3600)) == []
    assert tuple(engine.logs(running.id, since=running.started_at - 1)) == LINES


def test_a_followed_log_waits_until_it_is_closed(world: World, engine: Engine) -> None:
    running = started(world, kind="talks")
    lines = engine.logs(running.id, follow=True)
    assert tuple(next(lines) for _ in LINES) == LINES
    rest: list[bytes] = []
    reader = threading.Thread(target=lambda: rest.extend(lines))
    reader.start()
    lines.close()
    reader.join(10)
    assert not reader.is_alive()
    assert rest == []


# --- events ---


class Listener:
    """Reads events in a thread, as the watchdog does."""

    def __init__(self, world: World, since: float | None = None) -> None:
        self.events: list[EngineEvent] = []
        stream = world.engine.events(since=since, labels={LABEL_PROJECT: world.project})
        self.thread = threading.Thread(target=lambda: self.events.extend(self._each(stream)), daemon=True)
        self._taken: list[EngineEvent] = []
        self.thread.start()

    def _each(self, stream: Iterator[EngineEvent]) -> Iterator[EngineEvent]:
        for event in stream:
            self._taken.append(event)
            yield event

    @property
    def actions(self) -> list[str]:
        return [event.action for event in self._taken]

    @property
    def taken(self) -> list[EngineEvent]:
        return list(self._taken)


def in_one_order(actions: list[str]) -> list[str]:
    """As version 20.10 has them: from 26 on the engine tells of the stop before the death."""
    found = list(actions)
    for at, pair in enumerate(itertools.pairwise(actions)):
        if pair == ("stop", "die"):
            found[at : at + 2] = ["die", "stop"]
    return found


def test_events_tell_a_life_in_order(world: World, engine: Engine) -> None:
    listener = Listener(world)
    running = started(world)
    engine.create(spec(world, "stranger", labels={}))
    engine.stop(running.id, 5)
    engine.remove(running.id)
    engine.remove(f"{world.project}-stranger")
    wait_until(lambda: "destroy" in listener.actions)
    engine.close_events()
    listener.thread.join(10)
    assert not listener.thread.is_alive()
    assert in_one_order(listener.actions) == ["create", "start", "kill", "die", "stop", "destroy"]
    kill, die = (next(event for event in listener.taken if event.action == action) for action in ("kill", "die"))
    assert (kill.signal, kill.exit_code, die.exit_code) == ("15", None, 143)
    assert {event.container_id for event in listener.taken} == {running.id}
    assert {event.labels[LABEL_SERVICE] for event in listener.taken} == {"core"}
    assert [event.at_ns for event in listener.taken] == sorted(event.at_ns for event in listener.taken)


def test_a_stream_resumed_with_since_brings_what_was_missed(world: World, engine: Engine) -> None:
    first = Listener(world)
    running = started(world)
    wait_until(lambda: "start" in first.actions)
    engine.close_events()
    first.thread.join(10)
    engine.stop(running.id, 5)
    last = first.taken[-1].at_ns
    second = Listener(world, since=last / 1e9 - 0.000_001)
    wait_until(lambda: {"die", "stop"} <= set(second.actions))
    engine.close_events()
    second.thread.join(10)
    missed = [event.action for event in second.taken if event.at_ns > last]
    assert in_one_order(missed) == ["kill", "die", "stop"]


def test_the_engines_own_health_check_shows_in_events_and_state(world: World, engine: Engine) -> None:
    listener = Listener(world)
    running = started(world, kind="checked")
    assert running.health == "starting"
    world.until(lambda: seen(engine, running.id).health == "healthy")
    engine.stop(running.id, 5)
    wait_until(lambda: {"die", "stop"} <= set(listener.actions))
    engine.close_events()
    listener.thread.join(10)
    assert in_one_order(listener.actions) == ["create", "start", "health_status: healthy", "kill", "die", "stop"]
    assert seen(engine, running.id).health == "unhealthy"


# --- networks ---


def test_networks_are_made_once_and_joined_under_names(world: World, engine: Engine) -> None:
    labels = {LABEL_PROJECT: world.project}
    inner = f"{world.project}-services"
    engine.ensure_network(world.project, labels)
    engine.ensure_network(world.project, labels)
    engine.ensure_network(inner, labels, internal=True)
    with pytest.raises(Conflict, match="internal"):
        engine.ensure_network(world.project, labels, internal=True)
    running = started(world, network=world.project)
    assert running.networks == (world.project,)
    outer = engine.network(world.project)
    assert outer is not None
    assert (outer.name, outer.labels[LABEL_PROJECT], outer.internal) == (world.project, world.project, False)
    assert outer.members == {running.id}
    assert len(outer.subnets) == 1
    assert engine.network(f"{world.project}-none") is None
    engine.connect(inner, running.id, ("core",))
    engine.connect(inner, running.id, ("core",))
    engine.realias(inner, running.id, ("core", "api"))
    assert seen(engine, running.id).networks == (world.project, inner)
    with pytest.raises(NotFound):
        engine.connect(f"{world.project}-none", running.id, ())
    with pytest.raises(NotFound):
        engine.realias(f"{world.project}-none", running.id, ())
    with pytest.raises(EngineError):
        engine.remove_network(inner)
    engine.remove(running.id)
    engine.remove_network(inner)
    engine.remove_network(inner)
    assert engine.network(inner) is None


# --- images ---


def test_an_image_in_use_stays(world: World, engine: Engine) -> None:
    made = engine.create(spec(world))
    with pytest.raises(Conflict, match=made.name):
        engine.remove_image(made.image)
    image = engine.image(made.image)
    assert image is not None
    assert image.id == made.image_id
    repository = made.image.partition(":")[0]
    assert image.id in [one.id for one in engine.images(repository)]
    assert engine.image("bgmon-test/no-such-image:1") is None


def test_a_pulled_tag_is_pinned_whatever_becomes_of_it(world: World, engine: Engine) -> None:
    steps: list[PullProgress] = []
    first = engine.pull(world.push("a"), steps.append)
    assert steps[-1].current == steps[-1].total
    assert first.digests[0].startswith(f"{world.repository}@sha256:")
    again = engine.pull(f"{world.repository}:v1")
    assert again.digests == first.digests
    moved = engine.pull(world.push("b"))
    assert moved.id != first.id
    assert moved.digests[0] != first.digests[0]
    made = engine.create(spec(world, image=first.digests[0]))
    assert made.image_id == first.id
    assert {one.id for one in engine.images(world.repository)} == {first.id, moved.id}
    engine.remove(made.id)
    engine.remove_image(first.digests[0])
    assert engine.image(first.digests[0]) is None
    engine.remove_image(moved.digests[0])
    assert engine.images(world.repository) == []


def test_a_tag_that_does_not_exist_cannot_be_pulled(world: World, engine: Engine) -> None:
    reference = world.push("a").replace(":v1", ":v9")
    with pytest.raises(PullFailed, match="the tag does not exist there") as caught:
        engine.pull(reference)
    assert reference in str(caught.value)
    assert caught.value.hint


# --- out of reach ---

CALLS: dict[str, Callable[[Engine], object]] = {
    "info": lambda engine: engine.info(),
    "pull": lambda engine: engine.pull("core:1"),
    "image": lambda engine: engine.image("core:1"),
    "images": lambda engine: engine.images("core"),
    "remove_image": lambda engine: engine.remove_image("core:1"),
    "create": lambda engine: engine.create(ContainerSpec(name="x", image="core:1")),
    "start": lambda engine: engine.start("x"),
    "stop": lambda engine: engine.stop("x", 1),
    "restart": lambda engine: engine.restart("x", 1),
    "kill": lambda engine: engine.kill("x"),
    "remove": lambda engine: engine.remove("x"),
    "rename": lambda engine: engine.rename("x", "y"),
    "set_restart_policy": lambda engine: engine.set_restart_policy("x", "no"),
    "inspect": lambda engine: engine.inspect("x"),
    "containers": lambda engine: engine.containers({}),
    "stats": lambda engine: engine.stats("x"),
    "logs": lambda engine: list(engine.logs("x")),
    "exec": lambda engine: engine.exec("x", ("true",)),
    "top": lambda engine: engine.top("x"),
    "network": lambda engine: engine.network("x"),
    "has_volume": lambda engine: engine.has_volume("v"),
    "events": lambda engine: list(engine.events(since=None, labels={})),
    "ensure_network": lambda engine: engine.ensure_network("n", {}),
    "remove_network": lambda engine: engine.remove_network("n"),
    "connect": lambda engine: engine.connect("n", "x", ()),
    "realias": lambda engine: engine.realias("n", "x", ()),
}


def test_every_method_of_the_port_is_among_the_calls() -> None:
    methods = {name for name in vars(Engine) if not name.startswith("_")}
    assert methods - {"close_events", "oom_kills"} == set(CALLS)


@pytest.mark.parametrize("method", CALLS)
def test_an_engine_that_does_not_answer_is_unreachable(world: World, method: str) -> None:
    with pytest.raises(EngineUnreachable, match="no Docker engine listens"):
        CALLS[method](world.unreachable())
