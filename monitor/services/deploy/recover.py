"""Finishing or undoing what a killed deploy left."""

from __future__ import annotations

from monitor.domain.deploy.records import DeployRecord, JournalEntry, Release
from monitor.domain.deploy.swap import recovery
from monitor.services.deploy.candidate import Candidate, let_restart
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.finish import finish
from monitor.services.deploy.journal import Journal
from monitor.services.deploy.networks import introduce
from monitor.services.deploy.own import of_deploy
from monitor.services.deploy.recreate import settle_recreate
from monitor.services.deploy.tasks import settle_tasks
from monitor.services.deploy.undo import undo

_SWITCHED = ("gate", "canary", "switch", "bake", "drain", "retire")  # or may have been
_MADE = ("create", "hold")  # steps that note the candidate


def recover_service(deps: DeployDeps, service: str) -> list[str]:
    """Settle every cut-off deploy of a service; one line for each. The caller holds the service's lock."""
    lines = settle_tasks(deps, service)
    return lines + [_recover(deps, record) for record in reversed(deps.store.unfinished(service))]


def _recover(deps: DeployDeps, record: DeployRecord) -> str:
    journal = deps.store.journal(record.id)
    candidate = _candidate(journal)
    what = f"{record.kind} of {record.version}, cut off"
    if candidate is None:
        released = any(entry.step == "release" for entry in journal)
        when = "in its release command" if released else "before anything was made"
        deps.store.finish(record.id, "aborted", at=deps.clock.now(), reason=f"cut off {when}")
        deps.secrets.drop(record.id)
        return f"{what} {when}: nothing to undo"
    if record.kind == "recreate":
        return settle_recreate(deps, record, candidate)
    spec = candidate.spec
    active = deps.store.active(record.service)
    container = of_deploy(deps, candidate)
    decision = recovery(
        journal,
        blue_can_serve=_can_serve(deps, active),
        green_runs=container is not None and container.running,
    )
    last = journal[-1].step
    if decision == "finish" and container is not None:
        introduce(deps, spec.name, container.id)
        let_restart(deps.engine, container.id)
        finish(
            deps,
            spec,
            candidate,
            active,
            container=container.id,
            journal=Journal(deps, record),
        )
        return f"{what} at {last!r}: finished, {candidate.version} serves"
    undo(
        deps,
        spec,
        candidate,
        active,
        switched=any(entry.step in _SWITCHED for entry in journal),
        held=any(entry.step == "hold" for entry in journal),
    )
    deps.store.finish(record.id, "aborted", at=deps.clock.now(), reason=f"cut off at {last!r}")
    deps.secrets.drop(record.id)
    return f"{what} at {last!r}: undone, {active.version if active is not None else 'nothing'} serves"


def _can_serve(deps: DeployDeps, active: Release | None) -> bool:
    """Whether the active release's container is there. Right after a reboot it may not run yet; undoing starts it."""
    if active is None or deps.store.flags(active.service).stopped_by:
        return False
    return deps.engine.inspect(active.container) is not None


def _candidate(journal: list[JournalEntry]) -> Candidate | None:
    for entry in reversed(journal):
        if entry.step in _MADE:
            return Candidate.from_note(entry.data)
    return None
