"""Reads the engine's event stream in a thread of its own, for as long as it takes.

The end of the stream says nothing about why it ended, and the engine keeps only its last 256 events: so every reconnect
resumes with `since`, and whoever listens lists everything again.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from monitor.domain.containers import EngineEvent
from monitor.domain.names import LABEL_PROJECT
from monitor.errors import BgmonError
from monitor.ports.engine import Engine

log = logging.getLogger(__name__)

_FIRST_WAIT: Final = 0.1
_LONGEST_WAIT: Final = 2.0
_REMEMBERED: Final = 1024
_OVERLAP_NS: Final = 1_000_000  # a float of seconds cannot tell nanoseconds apart; what comes twice is dropped


class EventPump:
    """Calls back from its own thread.

    Args:
        engine: where events come from.
        project: whose events.
        since_ns: `at_ns` of the last event that was worked on.
        on_event: an event, each once.
        on_connect: the engine answers, and the stream is open: list everything.
        on_lost: the engine does not answer, and why.
        on_cut: a stream that was open has ended, and not by our own doing.
    """

    def __init__(
        self,
        engine: Engine,
        project: str,
        *,
        since_ns: int | None,
        on_event: Callable[[EngineEvent], None],
        on_connect: Callable[[], None],
        on_lost: Callable[[str], None],
        on_cut: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._project = project
        self._on_event = on_event
        self._on_connect = on_connect
        self._on_lost = on_lost
        self._on_cut = on_cut
        self._recycling = False
        self._seen: deque[tuple[int, str, str]] = deque(maxlen=_REMEMBERED)
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bgmon-events", daemon=True)
        self.last_ns = since_ns
        self.connects = 0
        """How often the stream was opened."""

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def recycle(self) -> None:
        """Drop the connection, since it misses events; it is made anew at once."""
        self._recycling = True
        self._engine.close_events()

    def retry(self) -> None:
        """Try to connect now, where it waits for the next try."""
        self._hurry.set()

    def stop(self, timeout: float) -> None:
        self._stopping.set()
        self._hurry.set()
        self._engine.close_events()
        self._thread.join(timeout)

    def _run(self) -> None:
        wait = _FIRST_WAIT
        while not self._stopping.is_set():
            try:
                stream = self._engine.events(since=self._since(), labels={LABEL_PROJECT: self._project})
                # Listed once the stream is open: whatever changes from now on is in one of the two.
                wait = _FIRST_WAIT
                self.connects += 1
                self._on_connect()
                for event in stream:
                    self._take(event)
                if not self._recycling and not self._stopping.is_set():
                    self._on_cut()
                self._recycling = False
            except BgmonError as error:
                if not self._stopping.is_set():
                    self._on_lost(str(error))
            except Exception:  # whatever a stream that was torn apart throws: it is read again
                log.exception("the event stream broke")
            if self._hurry.wait(wait) and self._stopping.is_set():
                return
            self._hurry.clear()
            wait = min(2 * wait, _LONGEST_WAIT)

    def _since(self) -> float | None:
        return None if self.last_ns is None else (self.last_ns - _OVERLAP_NS) / 1e9

    def _take(self, event: EngineEvent) -> None:
        key = (event.at_ns, event.container_id, event.action)
        if key in self._seen:
            return
        self._seen.append(key)
        self.last_ns = max(self.last_ns or 0, event.at_ns)
        self._on_event(event)
