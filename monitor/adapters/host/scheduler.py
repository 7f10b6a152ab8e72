"""Periodic jobs on APScheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.errors import BgmonError

log = logging.getLogger(__name__)

_THREADS: Final = 4


class ApScheduler:
    """The Scheduler port. A job that fails is logged and tried again at its next turn."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            timezone="UTC",  # intervals know no time zone, and looking the host's up reads files
            executors={"default": ThreadPoolExecutor(_THREADS)},
            # The default leaves out what is a second late; a job is wanted once, however late.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def add(self, name: str, every: float, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except BgmonError as error:
                log.warning("%s: %s", name, error)

        self._scheduler.add_job(guarded, "interval", seconds=every, id=name, name=name)

    def start(self) -> None:
        logging.getLogger("apscheduler").setLevel(logging.WARNING)
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)
