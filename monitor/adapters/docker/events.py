"""The engine's event stream, filtered by the engine itself, on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

import docker
from docker.utils import convert_filters
from docker.utils.json_stream import json_stream

from monitor.adapters.docker.decode import event
from monitor.adapters.docker.stream import Tap, request
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
        params = {
            "since": None if since is None else f"{since:.9f}",  # seconds.nanoseconds
            "filters": convert_filters({"type": "container", "event": _ACTIONS, "label": label_filter(labels)}),
        }
        client = self._connect()
        try:
            tap = Tap(request(client, "GET", "/events", params=params, read_timeout=None))
        except BaseException:
            client.close()
            raise
        stream = EventStream(tap, client, self._forget)
        with self._lock:
            self._open.add(stream)
        return stream

    def close(self) -> None:
        with self._lock:
            streams, self._open = self._open, set()
        for stream in streams:
            stream.close()

    def _forget(self, stream: EventStream) -> None:
        with self._lock:
            self._open.discard(stream)


class EventStream:
    """An iterator of events. Whatever ends it, its end only means that it ended."""

    def __init__(self, tap: Tap, client: docker.APIClient, forget: Callable[[EventStream], None]) -> None:
        self._tap = tap
        self._events = json_stream(tap)
        self._client = client
        self._forget = forget

    def __iter__(self) -> Iterator[EngineEvent]:
        return self

    def __next__(self) -> EngineEvent:
        try:
            return event(next(self._events))
        except Exception:  # noqa: BLE001 - a connection that broke, half an event, or the end: all the same
            self.close()
            raise StopIteration from None

    def close(self) -> None:
        self._forget(self)
        self._tap.close()
        self._client.close()


def label_filter(labels: Mapping[str, str]) -> list[str]:
    """Labels as the engine's filters take them; an empty value matches any."""
    return [f"{key}={value}" if value else key for key, value in labels.items()]
