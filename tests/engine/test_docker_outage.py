"""An engine that is killed in mid-call, comes back, or runs out of disk."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.docker.engine import DockerEngine
from monitor.domain.containers import Container, ContainerSpec, EngineEvent, PullProgress
from monitor.domain.names import LABEL_PROJECT
from monitor.errors import BgmonError, EngineUnreachable, PullFailed
from tests.support.private_engine import PrivateEngine
from tests.support.registry import Registry
from tests.support.wait import wait_until
from tools import images

pytestmark = [pytest.mark.engine, pytest.mark.private_engine, pytest.mark.xdist_group("private_engine")]

LABELS = {LABEL_PROJECT: "outage"}


class Call:
    """A call in a thread of its own: what it gave, or why not."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.value: Any = None
        self.error: BgmonError | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.value = self._call()
        except BgmonError as error:
            self.error = error

    def end(self) -> Call:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self


@pytest.fixture
def engine(private_engine: PrivateEngine) -> Iterator[DockerEngine]:
    images.busybox(private_engine.client)
    engine = DockerEngine(private_engine.url)
    yield engine
    private_engine.start()
    for container in engine.containers(LABELS):
        engine.remove(container.id)
    engine.close()


def run(engine: DockerEngine, script: str, **changes: Any) -> Container:
    spec = ContainerSpec(
        name=f"outage-{len(engine.containers(LABELS))}",
        image=images.BUSYBOX,
        labels=LABELS,
        command=("/bin/sh", "-c", script),
        restart="no",
        **changes,
    )
    made = engine.create(spec)
    engine.start(made.id)
    return made


def test_every_call_under_way_ends_when_the_engine_dies(private_engine: PrivateEngine, engine: DockerEngine) -> None:
    stubborn = run(engine, "trap '' TERM; echo up; while :; do sleep 1; done", init=False)
    lines = engine.logs(stubborn.id, follow=True)
    assert next(lines) == b"up"
    actions: list[str] = []
    events = engine.events(since=None, labels=LABELS)
    watching = Call(lambda: actions.extend(event.action for event in events))
    following = Call(lambda: list(lines))
    running = Call(lambda: engine.exec(stubborn.id, ("sleep", "600")))
    wait_until(lambda: any("sleep 600" in row for row in engine.top(stubborn.id)))
    stopping = Call(lambda: engine.stop(stubborn.id, 600))
    wait_until(lambda: "kill" in actions)
    pid = engine.top(stubborn.id)[1].split()[1]
    private_engine.kill()
    os.kill(int(pid), signal.SIGKILL)  # the engine would give it 10 s when it starts again

    assert watching.end().error is None
    for call in (following, running, stopping):
        error = call.end().error
        assert isinstance(error, EngineUnreachable)
        assert error.hint
    for look in (lambda: engine.inspect(stubborn.id), lambda: engine.events(since=None, labels=LABELS)):
        with pytest.raises(EngineUnreachable, match="no Docker engine listens"):
            look()

    private_engine.start()
    assert engine.inspect(stubborn.id) is not None
    fresh = engine.events(since=None, labels=LABELS)
    engine.remove(stubborn.id)
    assert [event.container_id for event in fresh if _last(event, engine)][-1] == stubborn.id
    assert engine.inspect(stubborn.id) is None


def test_an_engine_that_stops_ends_the_events_and_resumes_after_its_start(
    private_engine: PrivateEngine, engine: DockerEngine
) -> None:
    steady = run(engine, "exec sleep 600")
    before = engine.inspect(steady.id)
    events = engine.events(since=None, labels=LABELS)
    watching = Call(lambda: [event.action for event in events])
    private_engine.stop()
    assert watching.end().error is None
    assert "die" in watching.value
    with pytest.raises(EngineUnreachable):
        engine.containers(LABELS)
    private_engine.start()
    after = engine.inspect(steady.id)
    assert before is not None
    assert after is not None
    assert after.state == "exited"
    assert after.started_at == before.started_at


def _last(event: EngineEvent, engine: DockerEngine) -> bool:
    """Whether the container is gone with this event; the stream is closed then."""
    if event.action == "destroy":
        engine.close_events()
    return event.action == "destroy"


def test_an_engine_killed_while_pulling_is_unreachable(
    private_engine: PrivateEngine, engine: DockerEngine, registry: Registry, logged_in: Path, shop_image: str
) -> None:
    reference = registry.push(shop_image, "outage/shop:v1")

    def kill_once(step: PullProgress) -> None:
        if step.current and not killed:
            killed.append(step)
            private_engine.kill()

    killed: list[PullProgress] = []
    with pytest.raises(EngineUnreachable) as caught:
        engine.pull(reference, kill_once)
    assert killed
    assert reference in str(caught.value)
    private_engine.start()
    assert reference in engine.pull(reference).tags
    engine.remove_image(reference)


def test_a_full_disk_is_named(
    tmp_path: Path, registry: Registry, logged_in: Path, shop_image: str, docker_host: str
) -> None:
    reference = registry.push(shop_image, "outage/shop:full")
    small = PrivateEngine(tmp_path / "engine", disk="40m")
    engine = DockerEngine(small.url)
    try:
        with pytest.raises(PullFailed, match=f"cannot pull {reference}: the disk is full") as caught:
            engine.pull(reference)
        assert "bgmon prune" in caught.value.hint
        assert engine.image(reference) is None
        assert engine.info().version
    finally:
        engine.close()
        small.close()
