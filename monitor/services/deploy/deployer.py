"""What the watchdog, and commands that repair, ask of deploys."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import COLORS, Color
from monitor.domain.proxy.reach import LOOPBACK
from monitor.domain.proxy.routes import Slot, SlotStatus
from monitor.errors import BgmonError, LockedError, ProxyError, UsageError
from monitor.services.deploy.deps import DeployDeps, DeployRequest
from monitor.services.deploy.locked import changing
from monitor.services.deploy.reach import holders
from monitor.services.deploy.recreate import recreate
from monitor.services.deploy.rollback import choose, rollback_request
from monitor.services.deploy.swap import Swap
from monitor.services.deploy.traffic import save_proxy_config


def deploy(deps: DeployDeps, request: DeployRequest) -> Release:
    """One whole deploy.

    Raises:
        LockedError: somebody else changes the service.
        UsageError: a secret is missing.
        DeployFailed, EngineError, ProxyError: it failed; what served before serves.
        UnreachableError: the engine or the proxy went away; what is left to do is in the journal.
    """
    return Swap(deps, request).run()


def roll_back(
    deps: DeployDeps,
    service: str,
    *,
    to: str | None = None,
    previous: bool = False,
    bad: str | None = None,
    current: ServiceSpec | None = None,
    wait: float = 0.0,
) -> Release:
    """One whole rollback; where to is decided under the lock, once cut-off deploys are settled.

    Args:
        deps: the ports.
        service: which.
        to: a version or deploy id; by default the newest good release of another image.
        previous: the release that was active before, whatever its image.
        bad: the deploy that is to go; nothing happens when another one is active by now.
        current: today's spec, to be used instead of the one recorded.
        wait: seconds to wait for the lock.

    Raises:
        UsageError: there is no such release, or `bad` is not active any more.
        And all that `deploy` raises.
    """
    with changing(deps, service, "rollback", wait=wait):
        active = deps.store.active(service)
        if bad is not None and active is not None and active.deploy != bad:
            raise UsageError(f"{service}: {active.version} was deployed meanwhile")
        target = choose(deps.store, service, to, previous=previous)
        return Swap(deps, rollback_request(deps, target, current=current)).run_locked()


class DeployService:
    """The Deployer port."""

    def __init__(self, deps: DeployDeps) -> None:
        self._deps = deps

    def recreate(self, service: str) -> None:
        with changing(self._deps, service, "recreation"):
            recreate(self._deps, service)

    def rollback(self, service: str, reason: str, bad: str) -> str:
        self._deps.tell("warning", service, f"rolling back: {reason}")
        return roll_back(self._deps, service, bad=bad).version

    def recover(self) -> list[str]:
        lines: list[str] = []
        for service in dict.fromkeys(record.service for record in self._deps.store.unfinished()):
            try:
                with changing(self._deps, service, "recovery") as settled:
                    lines += [f"{service}: {line}" for line in settled]
            except LockedError:
                continue  # it is not cut off, but under way
            except BgmonError as error:
                lines.append(f"{service}: a cut-off deploy could not be settled yet: {error}")
        return lines

    def reroute(self) -> list[str]:
        shut = self._shut_strangers_out()
        lines = [
            line for service in self._deps.store.all_slots() if service not in shut and (line := self._reroute(service))
        ]
        if lines:
            save_proxy_config(self._deps)
        return [*(line for line in shut.values() if line), *lines]

    def _shut_strangers_out(self) -> dict[str, str]:
        """Services at whose recorded address another container is; what was done about each, "" when it was before.

        The record stays: once the service's own container is there again, its traffic comes back.
        """
        found: dict[str, str] = {}
        held: Mapping[str, str] | None = None
        for service in self._deps.store.services():
            release = self._deps.store.active(service)
            if release is None or release.address == LOOPBACK or self._deps.store.unfinished(service):
                continue
            held = holders(self._deps) if held is None else held
            stranger = held.get(release.address, release.container)
            if stranger != release.container:
                found[service] = self._shut_out(release, stranger)
        return found

    def _shut_out(self, release: Release, stranger: str) -> str:
        service = release.service
        try:
            with self._deps.locks.acquire(service, wait=0, purpose="shutting a stranger out"):
                if self._deps.proxy.slots(service)[release.color].state == "maint":
                    return ""
                self._deps.proxy.close(service, release.color)
        except (LockedError, ProxyError):
            return ""
        return f"{service}: no traffic to {release.address}, which container {stranger[:12]} has, and not its own"

    def _reroute(self, service: str) -> str:
        store = self._deps.store
        if self._matches(service, store.slots(service)):
            return ""
        try:
            with self._deps.locks.acquire(service, wait=0, purpose="rerouting"):
                # Looked at anew: a deploy may have ended between the look and the lock.
                release = store.active(service)
                settled = release is not None and not store.unfinished(service) and not store.flags(service).stopped_by
                if release is None or not settled or self._matches(service, store.slots(service)):
                    return ""
                self._restore(service, release)
        except LockedError:
            return ""
        return f"{service}: traffic goes to {release.color} again"

    def _matches(self, service: str, recorded: Mapping[Color, Slot]) -> bool:
        try:
            running = self._deps.proxy.slots(service)
        except ProxyError:
            return True  # no longer in bgmon.yml: it has no entry to be wrong
        return all(_same(recorded.get(color), running.get(color)) for color in COLORS)

    def _restore(self, service: str, release: Release) -> None:
        for color, slot in self._deps.store.slots(service).items():
            if slot.state == "ready":
                self._deps.proxy.stage(service, color, slot.port, slot.version, slot.address)
        self._deps.proxy.switch(service, release.color)


def _same(recorded: Slot | None, running: SlotStatus | None) -> bool:
    """Whether a slot that should take requests does, where it should, and one that should not does not."""
    wanted = recorded is not None and recorded.state == "ready"
    given = running is not None and running.state == "ready"
    if not wanted or recorded is None or running is None:
        return wanted == given
    return given and (recorded.address, recorded.port) == (running.address, running.port)
