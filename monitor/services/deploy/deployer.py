"""What the watchdog, and commands that repair, ask of deploys."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from monitor.config.compile import spec_from_json
from monitor.domain.names import COLORS, Color
from monitor.domain.records import Release
from monitor.domain.routes import Slot, SlotStatus
from monitor.errors import LockedError, ProxyError
from monitor.services.deploy.parts import Order, Parts
from monitor.services.deploy.recover import recover_service
from monitor.services.deploy.recreate import recreate
from monitor.services.deploy.rollback import choose, rollback_order
from monitor.services.deploy.swap import Swap
from monitor.services.deploy.switchboard import persist


def deploy(parts: Parts, order: Order) -> Release:
    """One whole deploy.

    Raises:
        LockedError: somebody else changes the service.
        UsageError: a secret is missing.
        DeployFailed, EngineError, ProxyError: it failed; what served before serves.
        UnreachableError: the engine or the proxy went away; what is left to do is in the journal.
    """
    return Swap(parts, order).run()


class DeployService:
    """The Deployer port."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def recreate(self, service: str) -> None:
        with self._lock(service, "recreation"):
            recover_service(self._parts, service)
            recreate(self._parts, service)

    def rollback(self, service: str, reason: str) -> str:
        target = choose(self._parts.store, service, None)
        self._parts.tell("warning", service, f"going back to {target.version}: {reason}")
        return deploy(self._parts, rollback_order(self._parts, target)).version

    def recover(self) -> list[str]:
        lines: list[str] = []
        for service in dict.fromkeys(record.service for record in self._parts.store.unfinished()):
            try:
                with self._lock(service, "recovery"):
                    lines += [f"{service}: {line}" for line in recover_service(self._parts, service)]
            except LockedError:
                continue  # it is not cut off, but under way
        return lines

    def reroute(self) -> list[str]:
        lines: list[str] = []
        for service, slots in self._parts.store.all_slots().items():
            release = self._parts.store.active(service)
            if release is None or not spec_from_json(release.spec).proxied or self._matches(service, slots):
                continue
            try:
                with self._lock(service, "rerouting"):
                    self._restore(service, release)
            except LockedError:
                continue
            lines.append(f"{service}: traffic goes to {release.color} again")
        if lines:
            persist(self._parts)
        return lines

    def _matches(self, service: str, recorded: Mapping[Color, Slot]) -> bool:
        try:
            running = self._parts.proxy.slots(service)
        except ProxyError:
            return True  # no longer in bgmon.yml: it has no entry to be wrong
        return all(_same(recorded.get(color), running.get(color)) for color in COLORS)

    def _restore(self, service: str, release: Release) -> None:
        for color, slot in self._parts.store.slots(service).items():
            if slot.state == "ready":
                self._parts.proxy.stage(service, color, slot.port, slot.version)
        self._parts.proxy.switch(service, release.color)

    def _lock(self, service: str, purpose: str) -> AbstractContextManager[None]:
        return self._parts.locks.acquire(service, wait=0, purpose=purpose)


def _same(recorded: Slot | None, running: SlotStatus | None) -> bool:
    """Whether a slot that should take requests does, where it should, and one that should not does not."""
    wanted = recorded is not None and recorded.state == "ready"
    given = running is not None and running.state == "ready"
    if not wanted or recorded is None or running is None:
        return wanted == given
    return given and recorded.port == running.port
