"""The parts of alerting that run, as one."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from monitor.domain.alerting.open_alerts import AlertPolicy
from monitor.ports.clock import Clock
from monitor.ports.deploys import Locks
from monitor.ports.notify import AlertSink, AlertStore, Channel
from monitor.services.alerting.delivery import Delivery
from monitor.services.alerting.manager import AlertManager
from monitor.services.alerting.push import Pusher

log = logging.getLogger(__name__)


class Alerting:
    """The daemon starts it, fires into `manager`, and stops it.

    Args:
        store: where alerts and the outbox are kept.
        channels: whom to tell.
        sink: an Alertmanager to push to, if any.
        policy: grouping and repeating.
        clock: the time.
        locks: keep two processes from delivering the same.
        deadline: seconds that one try to send may take.
    """

    def __init__(
        self,
        store: AlertStore,
        channels: Sequence[Channel],
        sink: AlertSink | None,
        policy: AlertPolicy,
        clock: Clock,
        *,
        locks: Locks,
        deadline: float,
    ) -> None:
        self.store = store
        self.channels = tuple(channels)
        self.manager = AlertManager(store, channels, policy)
        self._policy = policy
        self._clock = clock
        self._deadline = deadline
        self._delivery = Delivery(store, self.manager, clock, locks)
        self._pusher = self._make_pusher(sink)

    def start(self) -> None:
        """Begin to tell; what an earlier process left comes first. Raises StateError."""
        self._adopt()
        self._delivery.start(self.channels, deadline=self._deadline)
        if self._pusher is not None:
            self._pusher.start()

    def reconfigure(
        self, channels: Sequence[Channel], sink: AlertSink | None, policy: AlertPolicy, *, deadline: float
    ) -> None:
        """Go on with another configuration; what waits is kept. Blocks until a try under way has ended."""
        self.stop(max(self._deadline, deadline) + 1.0)
        self.channels, self._policy, self._deadline = tuple(channels), policy, deadline
        self._pusher = self._make_pusher(sink)
        self.start()

    def drain(self, seconds: float = 30.0) -> int:
        """For a process that does not stay: tell all that waits now; how many messages are left for later."""
        self._adopt()
        if self._pusher is not None:
            self._pusher.step()
        return self._delivery.drain(self.channels, deadline=self._deadline, seconds=seconds)

    def stop(self, timeout: float = 5.0) -> None:
        """Stop within `timeout` seconds; what was not delivered stays in the outbox."""
        self._delivery.stop(timeout)
        if self._pusher is not None:
            self._pusher.stop(timeout)

    def _make_pusher(self, sink: AlertSink | None) -> Pusher | None:
        return None if sink is None else Pusher(self.store, sink, self._clock, deadline=self._deadline)

    def _adopt(self) -> None:
        lost = self.manager.reconfigure(self.channels, self._policy, self._clock.now())
        if lost:
            log.warning("%d message(s) waited for channels that are no longer configured, and were dropped", lost)
