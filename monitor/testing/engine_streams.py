"""Streams of the fake engine. They wait for what other threads do to it, never for time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from monitor.domain.containers import EngineEvent
from monitor.testing.engine_containers import FakeContainer, Life


class FakeEvents:
    def __init__(self, life: Life) -> None:
        self._life = life
        self._generation = 0

    def open(self, since: float | None, labels: Mapping[str, str]) -> Iterator[EngineEvent]:
        with self._life.changed:
            last = self._life.events[-1].at_ns if self._life.events else 0
            after = last if since is None else round(since * 1e9) - 1
            return self._read(after, dict(labels), self._generation)

    def close(self) -> None:
        with self._life.changed:
            self._generation += 1
            self._life.changed.notify_all()

    def _read(self, after: int, labels: Mapping[str, str], generation: int) -> Iterator[EngineEvent]:
        while True:
            with self._life.changed:
                while not (fresh := [event for event in self._life.events if event.at_ns > after]):
                    if self._generation != generation:
                        return
                    self._life.changed.wait()
            for event in fresh:
                after = event.at_ns
                if all(key in event.labels and value in ("", event.labels[key]) for key, value in labels.items()):
                    yield event


class FakeLogs:
    """Lines of a container's log. A followed one ends with the container, or by `close`."""

    def __init__(
        self,
        life: Life,
        container: FakeContainer,
        *,
        tail: int | None,
        since: float | None,
        until: float | None,
        follow: bool,
        timestamps: bool,
    ) -> None:
        self._life = life
        self._container = container
        self._since = since
        self._until = until
        self._follow = follow
        self._timestamps = timestamps
        fitting = [number for number, (at, _) in enumerate(container.log) if self._fits(at)]
        self._next = len(container.log) if tail == 0 else 0
        if tail and len(fitting) > tail:
            self._next = fitting[-tail]
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._life.changed:
            while not self._closed:
                while self._next < len(self._container.log):
                    at, line = self._container.log[self._next]
                    self._next += 1
                    if self._fits(at):
                        return self._stamp(at) + line if self._timestamps else line
                if not self._follow or not self._container.up:
                    break
                self._life.changed.wait()
        raise StopIteration

    def close(self) -> None:
        with self._life.changed:
            self._closed = True
            self._life.changed.notify_all()

    def _fits(self, at: float) -> bool:
        return (self._since is None or at >= self._since) and (self._until is None or at <= self._until)

    @staticmethod
    def _stamp(at: float) -> bytes:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()
