"""What comes before the first host is touched: every host keeps other callers away, and has the image."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.errors import BgmonError, LockedError, UnreachableError
from monitor.ports.clock import Clock
from monitor.ports.hosts import Hosts
from monitor.services.fleet.lines import Events

_AGAIN: Final = 1.0
_LOCKED: Final = LockedError.exit_code

Tell = Callable[[str, Mapping[str, Any]], None]
"""Is told a host and an event there."""


class Hold:
    """One host that is prepared, and held until `release`: `bgmon hold` runs there meanwhile."""

    def __init__(self, hosts: Hosts, host: str, argv: Sequence[str], services: Sequence[str], tell: Tell) -> None:
        self.host = host
        self.images: dict[str, str] = {}
        self.error: BgmonError | None = None
        self.held, self.prepared = threading.Event(), threading.Event()
        self._stop = threading.Event()
        self._events = Events(self._event)
        self._tell = tell
        self._wanted = set(services)
        self._thread = threading.Thread(target=self._run, args=(hosts, list(argv)))
        self._thread.start()

    def _run(self, hosts: Hosts, argv: list[str]) -> None:
        try:
            code = hosts.run(self.host, argv, self._events.piece, stop=self._stop)
            if not self._stop.is_set():
                self.error = self._events.error(self.host, code or 1)
        except BgmonError as error:
            self.error = error
        finally:
            self.held.set()
            self.prepared.set()

    def _event(self, event: Mapping[str, Any]) -> None:
        if event.get("event") == "held":
            self.held.set()
        if event.get("event") == "prepared":
            self.images[str(event["service"])] = str(event["image"])
        self._tell(self.host, event)
        if self._wanted <= self.images.keys():
            self.prepared.set()

    def release(self) -> None:
        self._stop.set()

    def join(self) -> None:
        self._thread.join()


@dataclass
class Holds:
    """All hosts of a rollout, held. `argv` and `services` are by host."""

    hosts: Hosts
    argv: Mapping[str, Sequence[str]]
    services: Mapping[str, Sequence[str]]
    tell: Tell
    clock: Clock
    cancelled: Callable[[], bool]
    _holds: list[Hold] = field(default_factory=list)

    def take(self, wait: float) -> dict[str, dict[str, str]]:
        """Hold and prepare every host; by service and host, which image it will be there.

        The first host in the order of names decides between two callers, the others are then asked at once and give way
        at once: nobody waits while holding something that another waits for.

        Raises:
            LockedError: somebody else deploys one of the services, also after `wait` seconds.
            BgmonError: a host cannot be prepared. Nothing is held then.
        """
        until = self.clock.monotonic() + wait
        while True:
            left = max(0.0, until - self.clock.monotonic())
            error = self._try(left)
            if error is None:
                images: dict[str, dict[str, str]] = {}
                for hold in self._holds:
                    for service, image in hold.images.items():
                        images.setdefault(service, {})[hold.host] = image
                return images
            self.release()
            if error.exit_code != _LOCKED or self.clock.monotonic() + _AGAIN > until or self.cancelled():
                raise error
            self.clock.sleep(_AGAIN)

    def _try(self, wait: float) -> BgmonError | None:
        first, *others = sorted(self.argv)
        self._begin(first, wait)
        self._await(lambda hold: hold.held)
        if self._holds[0].error is None:
            for host in others:
                self._begin(host, 0.0)
            self._await(lambda hold: hold.prepared)
        if self.cancelled():
            return UnreachableError("interrupted before anything was changed")
        errors = [hold.error for hold in self._holds if hold.error is not None]
        return next((error for error in errors if error.exit_code != _LOCKED), errors[0] if errors else None)

    def _begin(self, host: str, wait: float) -> None:
        argv = [*self.argv[host], "--wait", f"{wait:g}s"]
        self._holds.append(Hold(self.hosts, host, argv, self.services[host], self.tell))

    def _await(self, event: Callable[[Hold], threading.Event]) -> None:
        for hold in self._holds:
            while not event(hold).wait(0.1):
                if self.cancelled() or any(other.error for other in self._holds):
                    return

    def release(self) -> None:
        for hold in self._holds:
            hold.release()
        for hold in self._holds:
            hold.join()
        self._holds.clear()
