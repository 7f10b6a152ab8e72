"""Whether the engine answers, and what it did to containers on its way down and up again.

On its way down it stops them all, and its events look as if somebody had asked for it. One that was killed finds them
alive when it comes back, ends them, and takes that for a stop as well.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final

from monitor.domain.alerting.conditions import Condition
from monitor.ports.alerts import Alerts

log = logging.getLogger(__name__)

PATIENCE: Final = 5.0
SHUTDOWN: Final = 30.0
_AT_ONCE: Final = 1.5
_CLOSE: Final = 0.5  # the end of a stream is noticed a moment after it


class EngineWatch:
    """`lost_at` is None while it answers; `outage` spans the last time it did not, its way down included.

    Times are those at which something was noticed, not those at which it was worked on: a look may wait for an engine
    that listens but does not serve yet, and what it did meanwhile would seem to have been before its end.
    """

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts
        self._why = ""
        self._told = False
        self._lock = threading.Lock()
        self._cut_at: float | None = None
        self._last_cut = 0.0
        self._unread_since: float | None = None
        self._unread = (0.0, 0.0)
        self._own_stops = (0.0, 0.0)
        self.lost_at: float | None = None
        self.outage: tuple[float, float] | None = None

    def cut(self, at: float) -> None:
        """Its event stream ended: perhaps it was killed, and may be back before anybody finds it gone.

        From any thread.
        """
        with self._lock:
            self._cut_at = at - _CLOSE if self._cut_at is None else self._cut_at
            self._last_cut = at
            self._unread_since = at - _CLOSE if self._unread_since is None else self._unread_since

    def opened(self, at: float) -> None:
        """Its events are read again from `at` on.

        Until then it may have ended and come back more often than anybody saw, even if it answered in between.
        """
        with self._lock:
            if self._unread_since is not None and self._last_cut <= at:
                self._unread = (self._unread_since, at + _AT_ONCE)
                self._unread_since = None

    def lost(self, at: float, why: str) -> None:
        if self.lost_at is None:
            self.lost_at = at
            log.warning("the engine does not answer: %s", why)
        self._why = why

    def in_doubt(self) -> bool:
        """Its stream has ended and was not opened anew yet: what is seen now may be its own doing."""
        return self._cut_at is not None and self.lost_at is None

    def patience(self, now: float) -> None:
        """Say that it is gone once it has had the time of a restart."""
        if self.lost_at is None or self._told or now - self.lost_at < PATIENCE:
            return
        self._told = True
        summary = "the Docker engine does not answer"
        self._alerts.fire(Condition("engine-down", "", "page", summary, self._why), now)

    def answers(self, at: float) -> bool:
        """It did at `at`, perhaps again; an alert that an earlier daemon left open is closed, too.

        False, and nothing changes, when it has been lost or cut after that.
        """
        with self._lock:
            if max(self._last_cut, self.lost_at or 0.0) > at:
                return False
            gone = self.lost_at if self._cut_at is None else self._cut_at
            self._cut_at = None
        if gone is not None:
            self._own_stops = (gone, at + _AT_ONCE)
            self.outage = (gone if self.lost_at is None else gone - SHUTDOWN, at + _AT_ONCE)
        if self.lost_at is not None:
            log.info("the engine answers again")
        self.lost_at = None
        self._told = False
        self._alerts.resolve("engine-down", "", at, "the engine answers again")
        return True

    def stops_by_itself(self, at: float) -> bool:
        """Whether a stop at `at` is its own doing as it comes up."""
        starts = [gone for gone in (self.lost_at, self._cut_at, self._unread_since) if gone is not None]
        if starts and at >= min(starts):
            return True
        return any(begin <= at <= end for begin, end in (self._own_stops, self._unread))

    def stopped_going_down(self, killed: Mapping[str, float]) -> list[str]:
        """Of those killed at these times, the ones it stopped itself: all within a moment, and the last before its end.

        What a person stopped before that stands apart.
        """
        if self.outage is None:
            return []
        late = {name: at for name, at in killed.items() if self.outage[0] <= at}
        last = max(late.values(), default=0.0)
        return [name for name, at in late.items() if at >= last - _AT_ONCE]
