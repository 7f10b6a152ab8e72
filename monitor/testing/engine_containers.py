"""How containers live in the fake engine: processes, Docker's restart policy, health and events, on a given clock."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from monitor.domain.containers import CheckResult, Container, ContainerSpec, ContainerState, EngineEvent, Image

Health = Literal["starting", "healthy", "unhealthy"]

_REMEMBERED_EVENTS = 256  # as many as the real one keeps
_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 60.0
_STEADY = 10.0  # a run of this length resets the backoff
_SIGTERM_EXIT = 143
_SIGKILL_EXIT = 137


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the process in an image does. Times are seconds after its start; None is never.

    `stubborn` ignores the stop signal, `stop_signal` is the image's number of it; `start_error` is what the engine says
    when it cannot be started at all.
    """

    exit_after: float | None = None
    exit_code: int = 0
    oom: bool = False
    healthy_after: float | None = 0.0
    unhealthy_after: float | None = None
    stubborn: bool = False
    stop_signal: str = "15"
    start_error: str = ""
    output: tuple[bytes, ...] = ()
    memory: int = 10 * 1024 * 1024
    cpu: float = 0.01


@dataclass(slots=True)
class FakeContainer:
    """One container. `life` counts its starts, so that a timer of an earlier run finds out."""

    id: str
    name: str
    spec: ContainerSpec
    image: Image
    labels: dict[str, str]
    behaviour: Behaviour
    created_at: float
    restart_policy: str
    state: ContainerState = "created"
    health: Health | None = None
    check: CheckResult | None = None
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    restarts: int = 0
    stopped_by_hand: bool = False
    backoff: float = _FIRST_BACKOFF
    life: int = 0
    pid: int = 0
    networks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    log: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def up(self) -> bool:
        return self.state in ("running", "paused")

    def view(self) -> Container:
        return Container(
            id=self.id,
            name=self.name,
            image=self.spec.image,
            image_id=self.image.id,
            labels=dict(self.labels),
            state=self.state,
            health=self.health,
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
            error=self.error,
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            restarts=self.restarts,
            restart_policy=self.restart_policy.partition(":")[0],
            pid=self.pid if self.up else 0,
            ports={port: host_port for port, (_, host_port) in self.spec.publish.items()},
            networks=tuple(sorted(self.networks)),
            addresses=dict(self.addresses) if self.up else {},
            check=self.check,
            mounts=tuple(sorted(one.partition(":")[0] for one in self.spec.volumes if one.startswith("/"))),
        )


class Life:
    """All containers, and what happens to them as time goes by.

    Nothing runs by itself: `advance` catches up with the clock, and every call of the engine begins with it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.changed = threading.Condition(threading.RLock())
        self.containers: dict[str, FakeContainer] = {}
        self.events: deque[EngineEvent] = deque(maxlen=_REMEMBERED_EVENTS)
        self.untaken: list[EngineEvent] = []
        self._timers: list[tuple[float, int, str, int, str]] = []
        self._numbers = itertools.count(1)
        self._last_ns = 0
        self.stop_first = False
        """Whether `stop` is told before `die`, as engines from version 26 on do."""

    def add(self, spec: ContainerSpec, image: Image, labels: Mapping[str, str], behaviour: Behaviour) -> FakeContainer:
        number = next(self._numbers)
        one = FakeContainer(
            id=hashlib.sha256(f"container {number}".encode()).hexdigest(),
            name=spec.name,
            spec=spec,
            image=image,
            labels=dict(labels),
            behaviour=behaviour,
            created_at=self.now(),
            restart_policy=spec.restart,
            pid=10_000 + number,
        )
        self.containers[one.id] = one
        self.emit(one, "create", one.created_at)
        return one

    def all(self) -> list[FakeContainer]:
        """A copy, which other threads do not change."""
        return list(self.containers.values())

    def advance(self) -> None:
        """Let everything happen that is due by now, in order."""
        with self.changed:
            self._advance(self.now())

    def _advance(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            at, _, container, life, what = heapq.heappop(self._timers)
            one = self.containers.get(container)
            if one is None or one.life != life:
                continue
            match what:
                case "exit":
                    self.die(one, at, one.behaviour.exit_code, oom=one.behaviour.oom)
                case "restart":
                    one.restarts += 1
                    self.run(one, at)
                case "healthy" | "unhealthy":
                    self.set_health(one, what, at)
                case _:
                    raise AssertionError(what)

    def run(self, one: FakeContainer, at: float) -> None:
        one.life += 1
        one.state, one.started_at = "running", at
        one.exit_code, one.oom_killed, one.error, one.stopped_by_hand = 0, False, "", False
        one.log.extend((at, line) for line in one.behaviour.output)
        self.emit(one, "start", at)
        behaviour = one.behaviour
        if one.image.healthcheck:
            one.health = "starting"
            self._after(one, at, behaviour.healthy_after, "healthy")
            self._after(one, at, behaviour.unhealthy_after, "unhealthy")
        self._after(one, at, behaviour.exit_after, "exit")

    def die(self, one: FakeContainer, at: float, code: int, *, oom: bool = False, by_hand: bool = False) -> None:
        """The process ends; Docker's restart policy decides about another."""
        one.life += 1
        one.stopped_by_hand = by_hand
        one.exit_code, one.oom_killed, one.finished_at = code, oom, at
        one.health = None if one.health is None else "unhealthy"  # as the engine does, without an event
        if oom:
            self.emit(one, "oom", at)
        self.emit(one, "die", at, exit_code=code)
        if by_hand or not _restarts(one, code):
            one.state = "exited"
            return
        if at - (one.started_at or at) >= _STEADY:
            one.backoff = _FIRST_BACKOFF
        one.state = "restarting"
        self._after(one, at, one.backoff, "restart")
        one.backoff = min(2 * one.backoff, _LONGEST_BACKOFF)

    def stop(self, one: FakeContainer, at: float) -> None:
        """By `docker stop`: the stop signal, SIGKILL if that is ignored."""
        if one.up:
            self.emit(one, "kill", at, signal=one.behaviour.stop_signal)
            if one.behaviour.stubborn:
                self.emit(one, "kill", at, signal="9")
            if self.stop_first:
                self.emit(one, "stop", at)
            self.die(one, at, _SIGKILL_EXIT if one.behaviour.stubborn else _SIGTERM_EXIT, by_hand=True)
            if not self.stop_first:
                self.emit(one, "stop", at)
        elif one.state == "restarting":
            one.life += 1
            one.state, one.stopped_by_hand = "exited", True
            self.emit(one, "stop", at)

    def remove(self, one: FakeContainer, at: float) -> None:
        if one.up:
            self.emit(one, "kill", at, signal="9")
            self.die(one, at, _SIGKILL_EXIT, by_hand=True)
        del self.containers[one.id]
        self.emit(one, "destroy", at)

    def set_health(self, one: FakeContainer, health: Health, at: float) -> None:
        if one.state == "running" and one.health != health:
            one.health = health
            self.emit(one, f"health_status: {health}", at)

    def emit(
        self, one: FakeContainer, action: str, at: float, *, exit_code: int | None = None, signal: str = ""
    ) -> None:
        with self.changed:
            self._last_ns = max(self._last_ns + 1, round(at * 1e9))
            event = EngineEvent(
                action=action,
                container_id=one.id,
                name=one.name,
                labels=dict(one.labels),
                at=at,
                at_ns=self._last_ns,
                exit_code=exit_code,
                signal=signal,
            )
            self.events.append(event)
            self.untaken.append(event)
            self.changed.notify_all()

    def _after(self, one: FakeContainer, at: float, delay: float | None, what: str) -> None:
        if delay is not None:
            heapq.heappush(self._timers, (at + delay, next(self._numbers), one.id, one.life, what))


def _restarts(one: FakeContainer, code: int) -> bool:
    name, _, limit = one.restart_policy.partition(":")
    if name == "on-failure":
        return code != 0 and (not limit or one.restarts < int(limit))
    return name in ("always", "unless-stopped")
