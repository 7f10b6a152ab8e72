"""Keeps an Alertmanager's picture of our alerts the same as ours."""

from __future__ import annotations

import logging
import threading
from typing import Final

from monitor.errors import NotifyError, StateError
from monitor.ports.clock import Clock
from monitor.ports.notify import AlertSink, AlertStore

log = logging.getLogger(__name__)

EVERY: Final = 30.0
LOOK: Final = 1.0
# An end is pushed for so long, in case the sink was away when it happened.
ENDED: Final = 900.0


class Pusher:
    """A thread that pushes what is open whenever it changes, and every half minute."""

    def __init__(self, store: AlertStore, sink: AlertSink, clock: Clock, *, deadline: float) -> None:
        self._store = store
        self._sink = sink
        self._clock = clock
        self._deadline = deadline
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._known: object = None
        self._pushed_at = float("-inf")
        self._well = True

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="alerts push", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            self.step()

    def step(self) -> None:
        """Push when something changed or the last time is long ago. Errors are logged once, and tried again."""
        try:
            now = self._clock.now()
            alerts = [alert for alert in self._store.book().alerts.values() if alert.state in ("waiting", "firing")]
            ended = self._store.ended(now - ENDED)
            known = ([(alert.key, alert.condition) for alert in alerts], ended)
            if known == self._known and self._clock.monotonic() - self._pushed_at < EVERY:
                return
            self._sink.push(alerts, ended, now=now, deadline=self._deadline)
        except (NotifyError, StateError) as error:
            if self._well:
                log.warning("%s; it is tried again every second", error)
            self._well = False
        else:
            self._known, self._pushed_at, self._well = known, self._clock.monotonic(), True
