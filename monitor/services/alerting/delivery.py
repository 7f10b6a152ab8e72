"""From the outbox to the channels: one thread and one queue for each, so that a slow one delays nobody else.

A message leaves the outbox in the transaction that follows the channel's yes at once. Between the two lies the only
moment in which a SIGKILL makes a message go out twice: nobody can commit to a chat service and to a disk in one step.
The second one carries the same key, and says that it may be a repetition.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import Final

from monitor.domain.alerting.outbox import LONGEST_ASKED, hopeless, retry_wait
from monitor.errors import LockedError, NotifyError, StateError
from monitor.ports.clock import Clock
from monitor.ports.deploys import Locks
from monitor.ports.notify import AlertStore, Channel, Pending
from monitor.services.alerting.manager import AlertManager

log = logging.getLogger(__name__)

LOCK: Final = "_alerts"  # no service can be called that
TICK: Final = 0.5
PRUNE_EVERY: Final = 3600.0


class Courier:
    """Carries one channel's messages, oldest first."""

    def __init__(self, store: AlertStore, channel: Channel, clock: Clock, *, deadline: float) -> None:
        self._store = store
        self._channel = channel
        self._clock = clock
        self._deadline = deadline
        self._taken: Pending | None = None

    def prepare(self) -> None:
        self._channel.prepare()

    def step(self) -> float | None:
        """Try the oldest message if it is due; seconds until there is something to do, None when nothing waits."""
        self._record()
        entry = self._store.next(self._channel.id)
        if entry is None:
            return None
        wait = entry.next_at - self._clock.now()
        if 0 < wait <= LONGEST_ASKED:  # a longer one: the clock was set back
            return wait
        self._try(entry)
        return 0.0

    def _try(self, entry: Pending) -> None:
        self._store.begin(entry)
        try:
            self._channel.send(entry.outgoing, deadline=self._deadline)
        except NotifyError as error:
            self._failed(entry, error)
        except Exception as error:
            # A mistake in bgmon or in a template must not end the thread, and with it the channel.
            log.exception("%s: a message could not be sent", self._channel.label)
            self._failed(entry, NotifyError(type(error).__name__, permanent=True))
        else:
            self._taken = entry
            self._record()

    def _record(self) -> None:
        """Take what the channel accepted out of the outbox; while that fails (disk full), nothing is sent again."""
        if self._taken is not None:
            self._store.delivered(self._taken, self._clock.now())
            self._taken = None

    def _failed(self, entry: Pending, error: NotifyError) -> None:
        now = self._clock.now()
        attempts = entry.attempts + 1
        if hopeless(attempts, now - entry.created_at, permanent=error.permanent):
            log.error("%s: gave up a message after %d tries: %s", self._channel.label, attempts, error)
            self._store.give_up(entry, now, str(error))
            return
        wait = retry_wait(attempts, error.retry_after)
        log.warning("%s: %s; next try in %.0f s", self._channel.label, error, wait)
        self._store.postpone(entry, until=now + wait, error=str(error), unsure=error.unsure)


class Delivery:
    """The threads: one a channel, and one that lets the manager tell what is due.

    Only one process delivers at a time, the one that holds the lock; another waits for it, and meanwhile its alerts
    are delivered by that one.
    """

    def __init__(self, store: AlertStore, manager: AlertManager, clock: Clock, locks: Locks) -> None:
        self._store = store
        self._manager = manager
        self._clock = clock
        self._locks = locks
        self._stop = threading.Event()
        self._wakes: list[threading.Event] = []
        self._threads: list[threading.Thread] = []

    def start(self, channels: Sequence[Channel], *, deadline: float) -> None:
        """Begin; what an earlier process left in the outbox goes first."""
        self._stop.clear()
        self._manager.wake = self._wake
        self._spawn("alerts", self._run, tuple(channels), deadline)

    def drain(self, channels: Sequence[Channel], *, deadline: float, seconds: float) -> int:
        """Tell everything now, for a process that does not stay; how many messages still wait.

        Nothing is tried twice, and what a running daemon holds the lock for is left to it.
        """
        self._manager.tick(self._clock.now(), at_once=True)
        try:
            with self._locks.acquire(LOCK, wait=0.0, purpose="telling alerts"):
                until = self._clock.monotonic() + seconds
                for channel in channels:
                    courier = Courier(self._store, channel, self._clock, deadline=deadline)
                    while courier.step() == 0.0 and self._clock.monotonic() < until:
                        pass
        except LockedError:
            log.debug("a running daemon tells the alerts")
        return sum(self._store.waiting().values())

    def stop(self, timeout: float = 5.0) -> None:
        """End within `timeout` seconds; what is under way then is tried again by the next process."""
        self._stop.set()
        self._wake()
        until = self._clock.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, until - self._clock.monotonic()))
        self._threads.clear()
        self._wakes.clear()

    def _wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    def _spawn(self, name: str, run: object, *arguments: object) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _carry(self, courier: Courier, wake: threading.Event) -> None:
        courier.prepare()
        while not self._stop.is_set():
            wake.clear()
            try:
                wait = courier.step()
            except StateError as error:
                log.error("alerts: %s", error)  # noqa: TRY400 - the message says it all
                wait = TICK
            if wait != 0.0:
                wake.wait(wait)

    def _run(self, channels: Sequence[Channel], deadline: float) -> None:
        """Tick; and from the moment the lock is ours, deliver."""
        prune_at = self._clock.monotonic()
        with contextlib.ExitStack() as held:
            locked = False
            while not self._stop.is_set():
                try:
                    if not locked:
                        locked = self._lock(held)
                        if locked:
                            self._deliver(channels, deadline)
                    now = self._clock.now()
                    self._manager.tick(now)
                    if self._clock.monotonic() >= prune_at:
                        self._store.prune(now)
                        prune_at = self._clock.monotonic() + PRUNE_EVERY
                except StateError as error:
                    log.error("alerts: %s", error)  # noqa: TRY400 - the message says it all
                self._stop.wait(TICK)
            for thread in self._threads:
                if thread is not threading.current_thread():
                    thread.join()  # the lock is held until nobody sends any more

    def _lock(self, held: contextlib.ExitStack) -> bool:
        try:
            held.enter_context(self._locks.acquire(LOCK, wait=0.0, purpose="telling alerts"))
        except LockedError:
            return False
        return True

    def _deliver(self, channels: Sequence[Channel], deadline: float) -> None:
        for channel in channels:
            wake = threading.Event()
            self._wakes.append(wake)
            courier = Courier(self._store, channel, self._clock, deadline=deadline)
            self._spawn(f"alerts {channel.label}", self._carry, courier, wake)
