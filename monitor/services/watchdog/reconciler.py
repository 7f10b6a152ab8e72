"""Observation, decision, act: one service at a time, on one thread.

Whatever happens (an event, a verdict of the probes, a timer, the reconcile loop, the end of an act) leads to the same
`look`: everything known about the service is gathered anew and decided upon. Acts run elsewhere; while one is under way
its service is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from monitor.domain.alerting.conditions import Condition
from monitor.domain.containers import Container, EngineEvent
from monitor.domain.deploy.records import Release
from monitor.domain.health.act_outcome import act_done, act_failed, act_put_off
from monitor.domain.health.deaths import A_PERSON
from monitor.domain.health.decide import decide
from monitor.domain.health.facts import Decision, Fire, Heal, HealthVerdict, NoteIncident, SetPolicy
from monitor.domain.health.oom import unclear_until
from monitor.domain.health.watch import DOWN, Watch, fresh
from monitor.errors import BgmonError, EngineUnreachable, StateError
from monitor.services.watchdog.decision_recorder import DecisionRecorder
from monitor.services.watchdog.deps import WatchDeps, WatchSettings
from monitor.services.watchdog.enginewatch import EngineWatch
from monitor.services.watchdog.event_memory import EventMemory
from monitor.services.watchdog.evidence import log_tail, origin
from monitor.services.watchdog.healer import Healer, Outcome
from monitor.services.watchdog.observer import Observer, Seen
from monitor.services.watchdog.resilient_memory import ResilientMemory

log = logging.getLogger(__name__)

Dispatch = Callable[[Callable[[], None]], None]
_LOOKED_AT = frozenset({"start", "die", "oom", "stop", "destroy", "pause", "unpause", "rename"})
_NEW_SERVICES = 1.0


class Reconciler:
    """Call it from one thread only.

    Args:
        deps: the ports.
        settings: what bgmon.yml says.
        dispatch: runs an act elsewhere; at once and in place is allowed.
        settle: brings the end of an act back to the reconciler's thread.
        verdicts: what the probes say of a service, by the life they saw.
        on_error: told when something could not be written down; healing goes on.
        on_return: told that an engine which was lost answers again.
    """

    def __init__(
        self,
        deps: WatchDeps,
        settings: WatchSettings,
        *,
        dispatch: Dispatch,
        settle: Dispatch,
        verdicts: Callable[[str, str], HealthVerdict | None],
        on_error: Callable[[StateError], None] = lambda error: log.error("%s", error),
        on_return: Callable[[], None] = lambda: None,
    ) -> None:
        self.deps = deps
        self.memory = ResilientMemory(deps.memory, deps.totals, on_error)
        self.book = DecisionRecorder(deps, self.memory)
        self.watches: dict[str, Watch] = deps.memory.watches()
        self.observer = Observer(deps, settings, verdicts)
        self.strains: Mapping[str, str] = {}
        self.engine = EngineWatch(deps.alerts)
        self.event_memory = EventMemory()
        self._listed = 0.0
        self._healer = Healer(deps)
        self._dispatch = dispatch
        self._settle = settle
        self._on_return = on_return
        now = deps.clock.now()
        self._host_acts = [at for _, at in deps.memory.restarts_since(now - settings.host_window)]

    @property
    def settings(self) -> WatchSettings:
        return self.observer.settings

    def reconfigure(self, settings: WatchSettings) -> None:
        self.observer.settings = settings

    def services(self) -> list[str]:
        """Those that are to run here: every one with an active release."""
        return [name for name in self.deps.store.services() if self.deps.store.active(name) is not None]

    def due(self, now: float) -> list[str]:
        """Services whose timer has run out, and those that were deployed for the first time."""
        timers = [name for name, watch in self.watches.items() if watch.wake is not None and watch.wake <= now]
        if 0 <= now - self._listed < _NEW_SERVICES:
            return timers
        self._listed = now
        known = self.deps.store.services()
        new = [name for name in known if name not in self.watches and self.deps.store.active(name) is not None]
        return [*timers, *new, *(name for name in self.watches if name not in known)]

    # -- what comes in --

    def event(self, event: EngineEvent) -> str | None:
        """Take an engine event in; the service that is to be looked at because of it, if any."""
        service = self.observer.service_of(event.container_id) or self._claimed(event)
        if service is None:
            return None
        self.event_memory.take(service, event, nobodys_wish=self.engine.stops_by_itself(event.at))
        looked_at = event.action in _LOOKED_AT or event.action.startswith("health_status")
        return service if looked_at else None

    def _claimed(self, event: EngineEvent) -> str | None:
        """A container we do not know says by its labels whose it is: reason to look at the record, nothing more."""
        service = event.labels.get("bgmon.service", "")
        return service if event.action in ("start", "destroy") and service in self.watches else None

    # -- the look --

    def look(self, service: str, now: float) -> None:
        """Gather, decide, carry out. Raises StateError; an engine that is away is remembered, not raised."""
        if service in self.event_memory.acting or self.engine.in_doubt():
            return  # everything is looked at when the act, or the doubt, is over
        try:
            seen = self.observer.see(
                service,
                now,
                oom_events=self.event_memory.oom_events,
                signalled=self.event_memory.signalled,
                deaths=self.event_memory.deaths(service),
                intent=self.event_memory.wish(service),
                strain=self.strains.get(service, ""),
                blocked_by=self._blocked_by(service),
                host_acts=self._host_acts_left(now),
                outage=self.engine.outage,
            )
        except EngineUnreachable as error:
            self.engine.lost(now, str(error))
            return
        if self.engine.in_doubt():
            return  # its stream ended while it was asked
        if self.engine.lost_at is not None:
            if self.engine_answers(now):
                self._on_return()
                self.look(service, now)  # what was known of wishes until now may have been the engine's own doing
            return
        if seen is None:
            self.event_memory.counted(service)
            self._forget(service, now)
            return
        watch = self.watches.get(service) or fresh(service, seen.release.deploy, now)
        unclear = unclear_until(seen.facts, now)
        if unclear is not None:
            self.watches[service] = replace(watch, wake=unclear)
            return  # its deaths stay to be counted
        decision = decide(watch, seen.facts, now)
        self._carry_out(service, seen, decision, now)
        self.event_memory.counted(service)

    def _blocked_by(self, service: str) -> str:
        spec = self.settings.specs.get(service)
        down = (name for name in (spec.depends_on if spec else ()) if name in self.watches)
        return next((name for name in down if self.watches[name].state in DOWN), "")

    def _host_acts_left(self, now: float) -> int:
        window = self.settings.host_window
        self._host_acts = [min(at, now) for at in self._host_acts if at > now - window]
        return self.settings.host_acts(len(self.watches)) - len(self._host_acts)

    def _forget(self, service: str, now: float) -> None:
        """It is no longer deployed here."""
        watch = self.watches.pop(service, None)
        if watch is None:
            return
        for kind in watch.fired:
            self.deps.alerts.resolve(kind, service, now, "no longer deployed here")
        self.memory.close_incident(service, now, "no longer deployed here")
        self.memory.forget(service)
        self.observer.drop(service)

    def _carry_out(self, service: str, seen: Seen, decision: Decision, now: float) -> None:
        """The act first, since it is urgent; then what is told and written down, the watch last.

        A daemon that is killed in between has spent the budget but remembers nothing else: the next one finds the
        same again, and an alert that is open already is not told twice.
        """
        old = self.watches.get(service)
        heal = next((action for action in decision.actions if isinstance(action, Heal)), None)
        if heal is not None:
            self._host_acts.append(now)
            self.memory.save(_before_the_act(old, decision.watch))
            self.memory.add_restart(service, heal.how, now)
        # A container that is being started answers no question about its log until it runs: so that comes first.
        told = any(isinstance(action, Fire) for action in decision.actions)
        detail = self._detail(seen.release, seen.facts.container, now) if told else ""
        finish = self._begin(service, seen, heal, now) if heal is not None else None
        try:
            self._record(service, seen.facts.container, decision, now, detail)
        except BgmonError:
            if finish is not None:
                self.watches[service] = _before_the_act(old, decision.watch)
                finish()
            raise  # the same is decided again at the next look
        self.watches[service] = decision.watch
        if old is not None and old.state != decision.watch.state:
            log.info("%s: %s -> %s (%s)", service, old.state, decision.watch.state, decision.watch.reason)
        if old != decision.watch:
            self.memory.save(decision.watch)
        if finish is not None:
            finish()

    def _record(
        self, service: str, container: Container | None, decision: Decision, now: float, detail: str = ""
    ) -> None:
        for action in decision.actions:
            if isinstance(action, SetPolicy):
                self._set_policy(service, container, action.policy, now)
            elif not isinstance(action, Heal):
                self.book.write(service, action, now, detail)

    def _detail(self, release: Release, container: Container | None, now: float) -> str:
        deps = self.deps
        text = origin(deps.store, release, now)
        lines = self.settings.log_lines
        tail = log_tail(deps.engine, deps.secrets, release, container.id, lines) if container is not None else ""
        return f"{text}\nlast log lines:\n{tail}" if tail else text

    def _set_policy(self, service: str, container: Container | None, policy: str, now: float) -> None:
        if container is None:
            return
        try:
            self.deps.engine.set_restart_policy(container.id, policy)
        except BgmonError as error:
            log.warning("%s: restart policy %s could not be set: %s", service, policy, error)
            return
        text = (
            "took the restarts over from Docker" if policy == "no" else f"gave the restarts back to Docker ({policy})"
        )
        self.book.write(service, NoteIncident(text), now)

    # -- acts --

    def _begin(self, service: str, seen: Seen, heal: Heal, now: float) -> Callable[[], None]:
        """Start the act elsewhere. Returns what to call once the decision has been recorded."""
        container = seen.facts.container
        self.event_memory.begin(service, container.id if container is not None else "", now)
        outcomes: list[Outcome] = []
        recorded: list[bool] = []

        def ended() -> None:
            if outcomes and recorded:
                self._acted(service, heal, outcomes.pop(), seen)

        def run() -> None:
            outcome = self._healer.act(heal, seen.release, seen.spec, container, self.settings.log_lines)
            outcomes.append(outcome)
            self._settle(ended)

        def finish() -> None:
            recorded.append(True)
            ended()

        self._dispatch(run)
        return finish

    def _acted(self, service: str, heal: Heal, outcome: Outcome, seen: Seen) -> None:
        now = self.deps.clock.now()
        self.event_memory.end(service, now)
        watch = self.watches.get(service)
        if watch is None:
            return
        if outcome.result == "done":
            decision = act_done(watch, outcome.text)
        elif outcome.result == "failed":
            decision = act_failed(watch, heal.how, outcome.text, now)
        else:
            decision = act_put_off(watch, now)
        self.watches[service] = decision.watch
        self._record(service, seen.facts.container, decision, now)
        self.memory.save(decision.watch)
        if outcome.result == "done":
            if heal.how == "rollback":
                self._tell_rollback(service, outcome.text, heal.reason, now)
            self.look(service, now)

    def _tell_rollback(self, service: str, text: str, reason: str, now: float) -> None:
        condition = Condition("rolled-back", service, "ticket", f"{service} was {text}", reason)
        self.deps.alerts.tell(condition, now)

    def hand_back(self) -> None:
        """Before the daemon ends: crash loops are Docker's again. `taken` stays, and says whose they were."""
        for service, watch in self.watches.items():
            seen = self.observer.seen.get(service)
            container = seen.facts.container if seen is not None else None
            if watch.taken and watch.state == "crash-looping" and container is not None:
                self._set_policy(service, container, watch.taken, self.deps.clock.now())

    # -- the engine --

    def engine_answers(self, at: float) -> bool:
        """It did at `at`; False when it went again since. What it stopped on its way down was no person's wish."""
        returned = self.engine.lost_at is not None
        if not self.engine.answers(at):
            return False
        for name in self.engine.stopped_going_down(self.event_memory.killed) if returned else []:
            self.event_memory.drop_wish(name)
            flags = self.deps.store.flags(name)
            if (
                flags.stopped_by == A_PERSON
                and self.engine.outage
                and (flags.stopped_at or 0.0) >= self.engine.outage[0]
            ):
                self.book.forget_stop(name)
        return True


def _before_the_act(old: Watch | None, new: Watch) -> Watch:
    """What must not be forgotten if this process is killed during the act: that it was tried, and nothing more."""
    known = old if old is not None and old.deploy == new.deploy else fresh(new.service, new.deploy, new.since)
    return replace(known, restarts=new.restarts, attempts=new.attempts, rolled_back=new.rolled_back)
