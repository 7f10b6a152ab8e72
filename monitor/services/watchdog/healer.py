"""Carries out one act on one service. Blocking: it runs in a thread of the pool."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from monitor.domain.causes import span
from monitor.domain.containers import Container
from monitor.domain.records import Release
from monitor.domain.spec import ServiceSpec
from monitor.domain.watchfacts import Heal
from monitor.errors import BgmonError, LockedError, NotFound, StateError, UnreachableError
from monitor.services.watchdog.evidence import log_tail, processes
from monitor.services.watchdog.parts import WatchParts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an act ended. `put-off` means that it did not take place."""

    result: Literal["done", "failed", "put-off"]
    text: str


class Healer:
    def __init__(self, parts: WatchParts) -> None:
        self._parts = parts

    def act(self, heal: Heal, release: Release, spec: ServiceSpec, container: Container | None, lines: int) -> Outcome:
        """Do it, and say what was done. Never raises a BgmonError."""
        service, clock = release.service, self._parts.clock
        began = clock.monotonic()
        log.info("%s: %s (%s)", service, heal.how, heal.reason)
        try:
            text = self._do(heal, release, spec, container, lines)
        except (LockedError, UnreachableError, NotFound) as error:
            log.info("%s: %s put off: %s", service, heal.how, error)
            return Outcome("put-off", str(error))
        except BgmonError as error:
            log.warning("%s: %s failed: %s", service, heal.how, error)
            return Outcome("failed", str(error).partition("\n")[0])
        return Outcome("done", f"{text} in {span(clock.monotonic() - began)}")

    def _do(self, heal: Heal, release: Release, spec: ServiceSpec, container: Container | None, lines: int) -> str:
        engine, deployer = self._parts.engine, self._parts.deployer
        if heal.how == "recreate":
            deployer.recreate(release.service)
            return "created again from the record"
        if heal.how == "rollback":
            return f"rolled back to {deployer.rollback(release.service, heal.reason, release.deploy)}"
        assert container is not None
        # A deploy that began since the decision has the word: nothing of ours may get between its steps.
        with self._parts.locks.acquire(release.service, wait=0, purpose=f"healing ({heal.how})"):
            if heal.how == "start":
                engine.start(container.id)
                return "started"
            self._save(release, container, lines)
            engine.restart(container.id, spec.deploy.stop)
            return "restarted"

    def _save(self, release: Release, container: Container, lines: int) -> None:
        """Before a hung process is ended, keep what it still shows."""
        parts = self._parts
        tail = log_tail(parts.engine, parts.secrets, release, container.id, lines)
        top = processes(parts.engine, container.id)
        now = parts.clock.now()
        found = [f"last log lines:\n{tail}"] * bool(tail) + [f"processes:\n{top}"] * bool(top)
        try:
            incident = parts.memory.open_incident(release.service, "unhealthy", "it hangs", now)
            parts.memory.note_incident(incident, "saved its log tail and its processes", now, detail="\n".join(found))
        except StateError as error:
            log.warning("%s: its last words could not be kept: %s", release.service, error)
