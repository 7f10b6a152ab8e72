"""Carries out one act on one service. Blocking: it runs in a thread of the pool."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from monitor.domain.containers import Container
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.health.causes import span
from monitor.domain.health.facts import Heal
from monitor.errors import BgmonError, Conflict, LockedError, NotFound, StateError, UnreachableError
from monitor.services.watchdog.deps import WatchDeps
from monitor.services.watchdog.evidence import log_tail, processes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an act ended. `put-off` means that it did not take place."""

    result: Literal["done", "failed", "put-off"]
    text: str


class Healer:
    def __init__(self, deps: WatchDeps) -> None:
        self._deps = deps

    def act(self, heal: Heal, release: Release, spec: ServiceSpec, container: Container | None, lines: int) -> Outcome:
        """Do it, and say what was done. Never raises a BgmonError."""
        service, clock = release.service, self._deps.clock
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
        engine, deployer = self._deps.engine, self._deps.deployer
        if heal.how == "recreate":
            deployer.recreate(release.service)
            return "created again from the record"
        if heal.how == "rollback":
            return f"rolled back to {deployer.rollback(release.service, heal.reason, release.deploy)}"
        assert container is not None
        try:
            # A deploy that began since the decision has the word: nothing of ours may get between its steps.
            with self._deps.locks.acquire(release.service, wait=0, purpose=f"healing ({heal.how})"):
                if heal.how == "start":
                    engine.start(container.id)
                    return "started"
                self._save(release, container, lines)
                engine.restart(container.id, spec.deploy.stop)
                return "restarted"
        except Conflict:  # somebody else has its address or port by now
            deployer.recreate(release.service)
            return "created again elsewhere, since its address was taken,"

    def _save(self, release: Release, container: Container, lines: int) -> None:
        """Before a hung process is ended, keep what it still shows."""
        deps = self._deps
        tail = log_tail(deps.engine, deps.secrets, release, container.id, lines)
        top = processes(deps.engine, container.id)
        now = deps.clock.now()
        found = [f"last log lines:\n{tail}"] * bool(tail) + [f"processes:\n{top}"] * bool(top)
        try:
            incident = deps.memory.open_incident(release.service, "unhealthy", "it hangs", now)
            deps.memory.note_incident(incident, "saved its log tail and its processes", now, detail="\n".join(found))
        except StateError as error:
            log.warning("%s: its last words could not be kept: %s", release.service, error)
