"""One decision in the making: the watch as it changes, and the actions so far."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from monitor.domain.alerting.conditions import ConditionKind, Severity
from monitor.domain.health.backoff import LONGEST, delay, retry_delay, within
from monitor.domain.health.causes import span
from monitor.domain.health.facts import (
    Action,
    Decision,
    Facts,
    Fire,
    Heal,
    How,
    NoteIncident,
    RememberStop,
    Resolve,
    SetPolicy,
)
from monitor.domain.health.watch import Trigger, Watch, move

SAME_ERRORS: Final = 3
HOST_WAIT: Final = 30.0
# Docker waits at most a minute before it restarts a container; until then a new life is still its doing.
DOCKER_PATIENCE: Final = 65.0
RESTARTING_POLICIES: Final = frozenset({"always", "unless-stopped", "on-failure"})


class DecisionBuilder:
    """Collects what one decision changes; the rules are in `supervise`."""

    def __init__(self, watch: Watch, facts: Facts, now: float) -> None:
        self.watch = replace(watch, wake=None)
        self.facts = facts
        self.now = now
        self.actions: list[Action] = []

    def decision(self) -> Decision:
        return Decision(self.watch, tuple(self.actions))

    def remember(self, **changes: Any) -> None:
        self.watch = replace(self.watch, **changes)

    def move(self, trigger: Trigger, reason: str) -> None:
        state = move(self.watch.state, trigger)
        if state != self.watch.state:
            self.remember(state=state, since=self.now)
        self.remember(reason=reason)

    def wake_at(self, at: float) -> None:
        at = max(at, self.now)
        self.remember(wake=at if self.watch.wake is None else min(at, self.watch.wake))

    def fire(self, kind: ConditionKind, severity: Severity, summary: str) -> None:
        """Say what is wrong. Of a service in quarantine everything has been said: the rest goes into its incident."""
        if "quarantined" in self.watch.fired and kind != "quarantined":
            self.note(summary)
            return
        self.actions.append(Fire(kind, severity, summary))
        fired = self.watch.fired if kind in self.watch.fired else (*self.watch.fired, kind)
        down_since = self.now if self.watch.down_since is None else self.watch.down_since
        self.remember(fired=fired, down_since=down_since)

    def resolve(self, note: str) -> None:
        if self.watch.fired:
            self.actions.append(Resolve(note, self.watch.fired))
        self.remember(fired=(), down_since=None, cause="")

    def note(self, text: str) -> None:
        self.actions.append(NoteIncident(text))

    def hold_back(self, least: float = 0.0) -> None:
        """Set the earliest moment of the next act, by how many did not help."""
        self.remember(not_before=self.now + max(least, delay(self.watch.attempts)))

    def take_over(self) -> None:
        """Keep Docker from restarting it at its own pace."""
        container = self.facts.container
        if container is None or container.restart_policy not in RESTARTING_POLICIES:
            return
        self.actions.append(SetPolicy("no"))
        self.remember(taken=container.restart_policy)

    def give_back(self) -> None:
        if self.watch.taken and self.facts.container is not None:
            self.actions.append(SetPolicy(self.watch.taken))
        self.remember(taken="")

    def stop(self, by: str, at: float) -> None:
        """Accept that a person wants it down."""
        if not self.facts.stopped_by:
            self.actions.append(RememberStop(by, at))
        self.resolve(f"stopped by {by}")
        self.give_back()
        if self.watch.state != "stopped":
            self.move("stopped", f"stopped by {by}")
        self.remember(
            attempts=0, exits=(), flaps=(), retry_at=None, half_open=False, good_since=None,
            error="", same_errors=0, expected=False,
        )  # fmt: skip

    def roll_back_if_due(self, why: str) -> None:
        """While Docker restarts it, a rollback is the one act that does not get in its way."""
        if self.facts.heal.enabled and self.facts.host_acts > 0 and self._rollback_due("start"):
            self._act("rollback", why)

    def heal(self, how: How, why: str) -> None:
        """Act on it, or say why not now."""
        if not self.facts.heal.enabled:
            return
        undo = self._rollback_due(how)
        hopeless = self._hopeless(why, undo=undo)
        if hopeless:
            self.quarantine(hopeless)
        elif how == "restart" and self.facts.blocked_by:
            self.remember(reason=f"{self.watch.cause}; waits for {self.facts.blocked_by}, which it depends on")
        elif self.now < self.watch.not_before and not undo:
            self.wake_at(self.watch.not_before)
        elif self.facts.host_acts <= 0:
            self.remember(reason=f"{self.watch.cause}; waits, since the host's restart budget is spent")
            self.wake_at(self.now + HOST_WAIT)
        else:
            self._act("rollback" if undo else how, why)

    def _hopeless(self, why: str, *, undo: bool) -> str:
        """Why another act would be one too many; empty while it is not."""
        watch, policy = self.watch, self.facts.heal
        if watch.half_open:
            return f"the half-open try did not help: {why}"
        if watch.same_errors >= SAME_ERRORS:
            return f"the same error {SAME_ERRORS} times: {watch.error}"
        restarts = within(watch.restarts, policy.budget_window, self.now)
        if len(restarts) >= policy.budget and not undo:
            return f"{len(restarts)} restarts within {span(policy.budget_window)} did not help: {why}"
        return ""

    def _act(self, how: How, why: str) -> None:
        watch = self.watch
        restarts = within(watch.restarts, self.facts.heal.budget_window, self.now)
        self.actions.append(Heal(how, why))
        self.remember(
            attempts=watch.attempts + 1,
            restarts=(*restarts, self.now),
            expected=True,
            rolled_back=self.facts.wanted.deploy if how == "rollback" else watch.rolled_back,
        )
        self.wake_at(self.now + LONGEST)

    def _rollback_due(self, how: How) -> bool:
        """A crash loop, or lost health, soon after a deploy: the last good version is the better cure."""
        wanted, window = self.facts.wanted, self.facts.heal.rollback_window
        bad = self.watch.state == "crash-looping" or how == "restart"
        fresh = bool(window) and self.now - wanted.at < window
        return bad and fresh and bool(wanted.previous) and self.watch.rolled_back != wanted.deploy

    def quarantine(self, why: str) -> None:
        self.take_over()
        container = self.facts.container
        count = self.watch.quarantines + 1
        wait = retry_delay(count)
        self.move("spent", why)
        docker = container is not None and container.state in ("restarting", "running")
        self.remember(
            quarantines=count,
            retry_at=self.now + wait,
            half_open=False,
            good_since=None,
            expected=False,
            error="",
            same_errors=0,
            not_before=self.now + DOCKER_PATIENCE if docker else self.now,
        )
        self.fire("quarantined", "page", f"{self.watch.service} is quarantined: {why}; next try in {span(wait)}")
        self.wake_at(self.now + wait)
