"""Finishing or undoing what a killed deploy left."""

from __future__ import annotations

from monitor.config.compile import spec_from_json
from monitor.domain.records import DeployRecord, JournalEntry, Release
from monitor.domain.swap import recovery
from monitor.services.deploy.finish import finish
from monitor.services.deploy.green import Green, introduce, let_restart
from monitor.services.deploy.own import of_deploy
from monitor.services.deploy.parts import Parts
from monitor.services.deploy.recreate import settle_recreate
from monitor.services.deploy.undo import undo

_SWITCHED = ("gate", "canary", "switch", "bake", "drain", "retire")  # or may have been


def recover_service(parts: Parts, service: str) -> list[str]:
    """Settle every cut-off deploy of a service; one line for each. The caller holds the service's lock."""
    return [_recover(parts, record) for record in reversed(parts.store.unfinished(service))]


def _recover(parts: Parts, record: DeployRecord) -> str:
    journal = parts.store.journal(record.id)
    green = _green(journal)
    what = f"{record.kind} of {record.version}, cut off"
    if green is None:
        parts.store.finish(record.id, "aborted", at=parts.clock.now(), reason="cut off before anything was made")
        parts.secrets.drop(record.id)
        return f"{what} before anything was made: nothing to undo"
    if record.kind == "recreate":
        return settle_recreate(parts, record, green)
    spec = spec_from_json(green.spec)
    blue = parts.store.active(record.service)
    container = of_deploy(parts, green)
    decision = recovery(
        journal,
        blue_can_serve=_can_serve(parts, blue),
        green_runs=container is not None and container.running,
    )
    last = journal[-1].step
    if decision == "finish" and container is not None:
        introduce(parts.engine, parts.project, container.id, spec)
        let_restart(parts.engine, container.id)
        finish(
            parts,
            spec,
            green,
            blue,
            container=container.id,
            timings={},
            began=parts.clock.monotonic(),
            note=lambda step, data: parts.store.note(record.id, step, data, parts.clock.now()),
        )
        return f"{what} at {last!r}: finished, {green.version} serves"
    undo(parts, spec, green, blue, switched=any(entry.step in _SWITCHED for entry in journal))
    parts.store.finish(record.id, "aborted", at=parts.clock.now(), reason=f"cut off at {last!r}")
    parts.secrets.drop(record.id)
    return f"{what} at {last!r}: undone, {blue.version if blue is not None else 'nothing'} serves"


def _can_serve(parts: Parts, blue: Release | None) -> bool:
    """Whether blue's container is there. Right after a reboot it may not run yet; undoing starts it."""
    if blue is None or parts.store.flags(blue.service).stopped_by:
        return False
    return parts.engine.inspect(blue.container) is not None


def _green(journal: list[JournalEntry]) -> Green | None:
    for entry in reversed(journal):
        if entry.step == "create":
            return Green.from_note(entry.data)
    return None
