"""Looks where the services' internal names point, and says when it is elsewhere than at their hosts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from monitor.domain.alerting.conditions import Condition
from monitor.domain.internalnames import InternalName, problem
from monitor.ports.alerts import Alerts
from monitor.ports.clock import Clock

log = logging.getLogger(__name__)

ROUNDS: Final = 2  # a record that is being changed is seen half done


class NameWatch:
    """`round` is called every minute, by one thread.

    Args:
        names: what bgmon.yml has now.
        owners: the host of each private address that is known.
        resolve: asks anew at each call; no address when there is none.
        alerts: who is told.
        clock: the time of what is told.
    """

    def __init__(
        self,
        names: Callable[[], Sequence[InternalName]],
        owners: Callable[[], Mapping[str, str]],
        resolve: Callable[[str], Collection[str]],
        alerts: Alerts,
        clock: Clock,
    ) -> None:
        self._names = names
        self._owners = owners
        self._resolve = resolve
        self._alerts = alerts
        self._clock = clock
        self._wrong: dict[str, int] = {}
        self._settled: set[str] = set()  # those without an alert; of an earlier daemon's, nothing is known at first

    def round(self) -> None:
        """Resolve every name once."""
        owners = self._owners()
        seen = set()
        for name in self._names():
            if not name.hosts:
                continue  # of this machine alone: nothing says where it should point
            seen.add(name.service)
            answer = self._resolve(name.name)
            self._judge(name, answer, problem(name, answer, owners))
        for service in self._wrong.keys() - seen:
            self._fine(service, "it has no internal name any more")

    def _judge(self, name: InternalName, answer: Collection[str], wrong: str) -> None:
        if not wrong:
            self._fine(name.service, f"{name.name} points at its hosts again")
            return
        count = self._wrong[name.service] = self._wrong.get(name.service, 0) + 1
        if count < ROUNDS:
            return
        if count == ROUNDS:
            log.warning("%s %s", name.name, wrong)
        self._settled.discard(name.service)
        expected = ", ".join(f"{host} {address}" for host, address in name.addresses.items()) or "not known"
        self._alerts.fire(
            Condition(
                "dns",
                name.service,
                "ticket",
                f"{name.name} {wrong}",
                f"answer: {', '.join(sorted(answer)) or 'none'}; its hosts: {expected}",
            ),
            self._clock.now(),
        )

    def _fine(self, service: str, note: str) -> None:
        self._wrong.pop(service, None)
        if service not in self._settled:
            self._settled.add(service)
            self._alerts.resolve("dns", service, self._clock.now(), note)
