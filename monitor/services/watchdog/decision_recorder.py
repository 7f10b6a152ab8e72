"""Writes down and tells what a decision says: incidents, alerts, counters, a person's stops."""

from __future__ import annotations

from dataclasses import replace

from monitor.domain.alerting.conditions import Condition
from monitor.domain.deploy.records import ServiceFlags
from monitor.domain.health.facts import (
    Action,
    CountExit,
    CountKills,
    CountRestart,
    Fire,
    ForgetStop,
    NoteIncident,
    RememberStop,
    Resolve,
)
from monitor.domain.names import METRIC_EXITS, METRIC_OOM_KILLS
from monitor.services.watchdog.deps import WatchDeps
from monitor.services.watchdog.resilient_memory import ResilientMemory


class DecisionRecorder:
    def __init__(self, deps: WatchDeps, memory: ResilientMemory) -> None:
        self._deps = deps
        self._memory = memory

    def write(self, service: str, action: Action, now: float, detail: str = "") -> None:
        """`detail` goes with what is told. Raises StateError when a person's stop cannot be remembered."""
        memory, alerts = self._memory, self._deps.alerts
        match action:
            case Fire():
                incident = memory.tell_incident(service, action.kind, action.summary, now, detail)
                condition = Condition(action.kind, service, action.severity, action.summary, detail, incident)
                alerts.fire(condition, now)
            case Resolve():
                for kind in action.kinds:
                    alerts.resolve(kind, service, now, action.note)
                memory.close_incident(service, now, action.note)
            case NoteIncident():
                memory.note(service, action.text, now)
            case CountExit():
                memory.count(METRIC_EXITS, (service, action.cause))
            case CountKills():
                memory.count(METRIC_OOM_KILLS, (service,), action.count)
            case CountRestart():
                memory.add_restart(service, action.reason, now)
            case RememberStop():
                flags = self._deps.store.flags(service)
                self._deps.store.set_flags(service, replace(flags, stopped_by=action.by, stopped_at=action.at))
            case ForgetStop():
                self.forget_stop(service)
            case _:
                raise AssertionError(f"not for the book: {action}")

    def forget_stop(self, service: str) -> None:
        flags = self._deps.store.flags(service)
        self._deps.store.set_flags(service, ServiceFlags(maintenance=flags.maintenance))
