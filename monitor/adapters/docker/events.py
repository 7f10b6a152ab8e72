"""The engine's event stream, filtered by the engine itself, on a connection of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import docker

from monitor.adapters.docker.read import event
from monitor.domain.containers import EngineEvent

# Each health check by exec makes three events more, which would push others out of the engine's memory of 256.
_ACTIONS = [
    "create", "start", "restart", "pause", "unpause", "kill", "stop", "die", "oom", "destroy", "rename", "update",
    "health_status",
]  # fmt: skip


class EventStreams:
    """Opens streams and remembers them, so that `close` from any thread ends whatever is being read."""

    def __init__(self, connect: Callable[[], docker.APIClient]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._open: set[EventStream] = set()

    def open(self, since: float | None, labels: Mapping[str, str]) -> EventStream:
        """Events from now on, or those after `since` (unix seconds) first. Raises what the SDK raises."""
        client = self._connect()
        try:
            raw = client.events(
                since=None if since is None else f"{since:.9f}",  # seconds.nanoseconds
                filters={"type": ["container"], "event": _ACTIONS, "label": label_filter(labels)},
                decode=True,
            )
        except BaseException:
            client.close()
            raise
        stream = EventStream(raw, client, self._forget)
        with self._lock:
            self._open.add(stream)
        return stream

    def close(self) -> None:
        with self._lock:
            streams = list(self._open)
        for stream in streams:
            stream.cut()

    def _forget(self, stream: EventStream) -> None:
        with self._lock:
            self._open.discard(stream)


class EventStream:
    """An iterator of events. The SDK ends it silently whatever happens, so its end only means that it ended."""

    def __init__(self, raw: Any, client: docker.APIClient, forget: Callable[[EventStream], None]) -> None:
        self._raw = raw
        self._client = client
        self._forget = forget

    def __iter__(self) -> Iterator[EngineEvent]:
        return self

    def __next__(self) -> EngineEvent:
        try:
            return event(next(self._raw))
        except Exception:  # noqa: BLE001 - whatever a stream that was cut throws, it has ended
            self.close()
            raise StopIteration from None

    def cut(self) -> None:
        """End it from another thread: its reader wakes and finds the end."""
        with contextlib.suppress(Exception):
            self._raw.close()

    def close(self) -> None:
        self._forget(self)
        self.cut()
        self._client.close()


def label_filter(labels: Mapping[str, str]) -> list[str]:
    """Labels as the engine's filters take them; an empty value matches any."""
    return [f"{key}={value}" if value else key for key, value in labels.items()]
