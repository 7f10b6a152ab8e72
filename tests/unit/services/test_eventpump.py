"""The thread that reads events: each once, resumed where it broke, for as long as it takes."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping

from monitor.domain.containers import EngineEvent
from monitor.errors import BgmonError, EngineUnreachable
from monitor.services.watchdog.eventpump import EventPump
from monitor.services.watchdog.work_queue import SOON, URGENT, WHENEVER, WorkQueue
from tests.support.wait import wait_until


def event(number: int) -> EngineEvent:
    return EngineEvent("die", f"c{number}", "n", {}, number / 1e3, number * 1_000_000)


class Streams:
    """An engine that can do nothing but stream; each connection ends after what it is given."""

    def __init__(self, *connections: list[EngineEvent] | BgmonError) -> None:
        self._connections = list(connections)
        self._closing: queue.Queue[None] = queue.Queue()
        self.since: list[float | None] = []

    def events(self, *, since: float | None, labels: Mapping[str, str]) -> Iterator[EngineEvent]:
        assert labels == {"bgmon.project": "shop"}
        self.since.append(since)
        if not self._connections:
            return self._quiet()
        given = self._connections.pop(0)
        if isinstance(given, BgmonError):
            raise given
        return iter(given)

    def _quiet(self) -> Iterator[EngineEvent]:
        self._closing.get()
        yield from ()

    def close_events(self) -> None:
        self._closing.put(None)


def test_a_broken_stream_is_resumed_and_nothing_comes_twice() -> None:
    engine = Streams([event(1000), event(2000)], EngineUnreachable("gone"), [event(2000), event(3000)])
    seen: list[str] = []
    connects: list[int] = []
    lost: list[str] = []
    pump = EventPump(
        engine,  # type: ignore[arg-type]
        "shop",
        since_ns=None,
        on_event=lambda one: seen.append(one.container_id),
        on_connect=lambda: connects.append(len(seen)),
        on_lost=lost.append,
    )
    pump.start()
    wait_until(lambda: len(engine.since) == 4, what="the fourth connection")
    pump.stop(5)
    assert not pump.alive
    assert seen == ["c1000", "c2000", "c3000"]
    assert connects == [0, 2, 3]
    assert lost == ["gone"]
    first, second, third, fourth = engine.since
    assert first is None
    assert second == third == (2000 * 1_000_000 - 1_000_000) / 1e9
    assert fourth == (3000 * 1_000_000 - 1_000_000) / 1e9


def test_it_begins_where_the_last_daemon_ended() -> None:
    engine = Streams()
    pump = EventPump(
        engine,  # type: ignore[arg-type]
        "shop",
        since_ns=5_000_000_000,
        on_event=lambda _: None,
        on_connect=lambda: None,
        on_lost=lambda _: None,
    )
    pump.start()
    wait_until(lambda: engine.since, what="a connection")
    pump.recycle()
    wait_until(lambda: len(engine.since) == 2, what="another one")
    pump.stop(5)
    assert engine.since[0] == 4.999


def test_the_desk_does_the_urgent_first_and_outlives_mistakes() -> None:
    done: list[str] = []
    errors: list[str] = []
    work_queue = WorkQueue(lambda error: errors.append(str(error)))

    def mistake() -> None:
        raise ZeroDivisionError

    def refusal() -> None:
        raise BgmonError("no")

    work_queue.put(lambda: done.append("whenever"), WHENEVER)
    work_queue.put(mistake, SOON)
    work_queue.put(lambda: done.append("soon"), SOON)
    work_queue.put(refusal, URGENT)
    work_queue.put(lambda: done.append("urgent"), URGENT)
    work_queue.start()
    wait_until(lambda: len(done) == 3, what="all jobs")
    assert work_queue.stop(5)
    assert done == ["urgent", "soon", "whenever"]
    assert errors == ["no", "a mistake inside bgmon: see its log"]


def test_a_pump_that_waits_tries_at_once_when_told_that_the_engine_is_back() -> None:
    engine = Streams(*[EngineUnreachable("gone")] * 8)
    lost: list[str] = []
    pump = EventPump(
        engine,  # type: ignore[arg-type]
        "shop",
        since_ns=None,
        on_event=lambda _: None,
        on_connect=lambda: None,
        on_lost=lost.append,
    )
    pump.start()
    while pump.connects == 0:
        pump.retry()  # it would wait for more than 10 s by itself
    assert len(lost) == 8
    pump.stop(5)
