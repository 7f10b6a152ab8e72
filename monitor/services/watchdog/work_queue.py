"""One thread that does everything the reconciler does, the urgent first."""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from monitor.errors import BgmonError

log = logging.getLogger(__name__)

URGENT: Final = 0  # events and the ends of acts
SOON: Final = 1  # timers and verdicts of the probes
WHENEVER: Final = 2  # the reconcile loop's rounds

Job = Callable[[], None]


class WorkQueue:
    """Jobs run one after another; those of one urgency in the order they came.

    Args:
        on_error: told of a job that failed; the work queue goes on.
    """

    def __init__(self, on_error: Callable[[BgmonError], None]) -> None:
        self._queue: queue.PriorityQueue[tuple[int, int, Job | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._on_error = on_error
        self._thread = threading.Thread(target=self._work, name="bgmon-work", daemon=True)
        self.done = 0
        """How many jobs were finished: the daemon's sign of progress."""

    def start(self) -> None:
        self._thread.start()

    def put(self, job: Job, urgency: int = URGENT) -> None:
        self._queue.put((urgency, next(self._numbers), job))

    def waiting(self) -> int:
        return self._queue.qsize()

    def stop(self, timeout: float) -> bool:
        """Finish what is urgent and drop the rest; whether it ended within `timeout` seconds."""
        self._queue.put((URGENT, next(self._numbers), None))
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            _, _, job = self._queue.get()
            if job is None:
                return
            try:
                job()
            except BgmonError as error:
                self._on_error(error)
            except Exception:  # a mistake in one job must not end the watch over everything else
                log.exception("a job of the watchdog failed")
                self._on_error(BgmonError("a mistake inside bgmon: see its log"))
            self.done += 1
