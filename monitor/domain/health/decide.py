"""What to do about one service, given everything known about it: the heart of the watchdog, and pure.

`decide` looks at levels (what is), not at edges (what happened): whoever missed an event comes to the same conclusion
at the next look. Events only add what cannot be seen afterwards: how a process died that Docker has started again
since, and that a person asked for it.

The order of the questions is the order of respect: a deploy at work comes before a person's wish, a person's wish
before what Docker does by itself, and that before any healing.
"""

from __future__ import annotations

from typing import Final

from monitor.domain.containers import Container
from monitor.domain.health.backoff import FIRST, RESET_AFTER, delay, within
from monitor.domain.health.causes import span
from monitor.domain.health.deaths import count_deaths, dead, life_of
from monitor.domain.health.decision_builder import RESTARTING_POLICIES, DecisionBuilder
from monitor.domain.health.facts import CountRestart, Decision, Facts, ForgetStop, Heal
from monitor.domain.health.oom import count_kills, kills_before, memory_strain
from monitor.domain.health.stop_detection import SETTLE
from monitor.domain.health.watch import Watch, fresh, settled

LOCK_POLL: Final = 1.0
FLAPS: Final = 3
FLAP_WINDOW: Final = 600.0
FLAP_CALM: Final = 60.0
HALF_OPEN_CALM: Final = 60.0
_PAUSED: Final = "paused by a person"


def decide(watch: Watch, facts: Facts, now: float) -> Decision:
    """The watch after this look, and what is to be done."""
    builder = DecisionBuilder(settled(watch, now), facts, now)
    _adopt_release(builder)
    if facts.locked:
        if builder.watch.state != "deploying":
            builder.move("locked", "a deploy or a command is at work")
        builder.wake_at(now + LOCK_POLL)  # nobody tells when a lock is let go
        return builder.decision()
    _after_deploy(builder)
    if _person_stopped(builder):
        return builder.decision()
    container = facts.container
    if container is None:
        _missing(builder)
    elif container.state == "running":
        _running(builder, container)
    elif container.state == "removing":
        builder.wake_at(now + SETTLE)
    elif container.state == "restarting":
        _docker_restarts(builder, container)
    else:
        _down(builder, container)
    return builder.decision()


def _adopt_release(builder: DecisionBuilder) -> None:
    """Another release took the place: nothing that was known of the former one holds."""
    deploy = builder.facts.wanted.deploy
    if builder.watch.deploy == deploy:
        return
    if builder.watch.deploy:
        builder.resolve(f"version {builder.facts.wanted.version or deploy} took its place")
    builder.remember(**{
        name: getattr(fresh(builder.watch.service, deploy, builder.now), name) for name in Watch.__dataclass_fields__
    })  # fmt: skip


def _after_deploy(builder: DecisionBuilder) -> None:
    """The lock is free again: whoever held it has put things right as far as it could, so budgets begin anew."""
    if builder.watch.state != "deploying":
        return
    builder.move("unlocked", "")
    builder.remember(
        life="", ended=None, expected=False, exits=(), flaps=(), restarts=(), attempts=0, not_before=0.0,
        good_since=None, quarantines=0, retry_at=None, half_open=False, error="", same_errors=0,
    )  # fmt: skip


def _person_stopped(builder: DecisionBuilder) -> bool:
    """Whether a person wants it down, or froze it."""
    facts, container = builder.facts, builder.facts.container
    running = container is not None and container.state == "running"
    if facts.stopped_by:
        started = container.started_at if container is not None else None
        if not (running and started is not None and started > (facts.stopped_at or 0.0)):
            builder.stop(facts.stopped_by, facts.stopped_at or builder.now)
            return True
        builder.actions.append(ForgetStop())
        builder.note("started again by a person")
    elif container is not None and container.state == "paused":
        if builder.watch.state != "stopped":
            builder.move("stopped", _PAUSED)
        return True
    if builder.watch.state == "stopped":
        builder.move("wanted", "")
        builder.remember(life="", ended=None)
    return False


# -- alive --


def _running(builder: DecisionBuilder, container: Container) -> None:
    life = life_of(container)
    count_deaths(builder, container)
    if life != builder.watch.life:
        _new_life(builder, container, life)
    count_kills(builder, container, life)
    if builder.watch.state == "quarantined":
        _quarantined(builder)
        return
    verdict = builder.facts.verdict
    if verdict is None:
        health = builder.facts.health
        builder.wake_at(_started(builder, container) + (health.settle if health.mode == "running" else health.start))
    elif verdict.ok:
        _good(builder)
    else:
        _lost(builder, container, verdict.detail)


def _new_life(builder: DecisionBuilder, container: Container, life: str) -> None:
    watch = builder.watch
    by_docker = watch.ended is not None and not watch.expected
    builder.remember(life=life, ended=None, expected=False, good_since=None)
    if by_docker:
        # It died, and bgmon did not start it: the restart counts, or the budget would not know what Docker spends.
        builder.actions.append(CountRestart("docker"))
        restarts = within(watch.restarts, builder.facts.heal.budget_window, builder.now)
        builder.remember(restarts=(*restarts, builder.now), attempts=watch.attempts + 1)
    if watch.state == "quarantined":
        if watch.expected or builder.now < watch.not_before:
            return  # what Docker, or bgmon, had already set going when it was put here
        builder.remember(attempts=0, restarts=(), exits=(), retry_at=None)
        builder.note("started by a person while in quarantine")
    builder.move("found", f"started again; before: {watch.cause}" if watch.cause else "it starts")
    if builder.watch.state == "crash-looping" and container.restart_policy in RESTARTING_POLICIES:
        _take_over(builder)


def _good(builder: DecisionBuilder) -> None:
    watch, now = builder.watch, builder.now
    assert builder.facts.verdict is not None
    good_since = min(builder.facts.verdict.at, now) if watch.good_since is None else watch.good_since
    builder.remember(good_since=good_since)
    if watch.state not in ("healthy", "degraded"):
        calm = _calm_needed(watch, now)
        if now < good_since + calm:
            builder.wake_at(good_since + calm)
            return
        down = f" after {span(now - watch.down_since)}" if watch.down_since is not None else ""
        builder.move("passed", "")
        builder.resolve(f"healthy again{down}")
        builder.remember(half_open=False)
    _strain(builder)
    if now < good_since + RESET_AFTER:
        builder.wake_at(good_since + RESET_AFTER)
    elif watch.attempts or watch.exits or watch.taken or watch.quarantines:
        builder.give_back()
        builder.remember(attempts=0, exits=(), quarantines=0, not_before=0.0, error="", same_errors=0)


def _calm_needed(watch: Watch, now: float) -> float:
    """How long it must be good before it is believed: at once, unless it has lately come and gone."""
    if watch.state == "crash-looping":
        return max(FIRST, delay(watch.attempts))
    if watch.half_open:
        return HALF_OPEN_CALM
    return FLAP_CALM if len(within(watch.flaps, FLAP_WINDOW, now)) >= FLAPS else 0.0


def _strain(builder: DecisionBuilder) -> None:
    service, memory = builder.watch.service, memory_strain(builder)
    strain = "; ".join(filter(None, (builder.facts.strain, memory)))
    if strain and builder.watch.state == "healthy":
        builder.move("strained", strain)
        builder.fire("degraded", "ticket", f"{service} is degraded: {strain}")
    elif strain and builder.watch.state == "degraded":
        if memory not in builder.watch.reason:
            builder.note(memory)
        builder.remember(reason=strain)
    elif builder.watch.state == "degraded":
        builder.move("eased", "")
        builder.resolve("within its limits again")


def _lost(builder: DecisionBuilder, container: Container, detail: str) -> None:
    """It runs, and its health is gone."""
    watch, now = builder.watch, builder.now
    detail += kills_before(builder)
    started = _started(builder, container)
    new = watch.state in ("starting", "crash-looping") and watch.good_since is None
    if new and now < started + builder.facts.health.start:
        builder.wake_at(started + builder.facts.health.start)
        return
    builder.remember(good_since=None)
    if watch.state not in ("unhealthy", "crash-looping") or watch.lost != watch.life:
        builder.move("failed", detail)
        builder.remember(flaps=(*within(watch.flaps, FLAP_WINDOW, now), now), cause=detail, lost=watch.life)
        if len(builder.watch.flaps) >= FLAPS:
            builder.remember(
                reason=f"{detail}; it comes and goes: {len(builder.watch.flaps)} times in {span(FLAP_WINDOW)}"
            )
        builder.hold_back()
        builder.fire("unhealthy", "page", f"{watch.service} is not healthy: {detail}")
    builder.heal("restart", detail)


def _started(builder: DecisionBuilder, container: Container) -> float:
    return builder.now if container.started_at is None else container.started_at


# -- down --


def _down(builder: DecisionBuilder, container: Container) -> None:
    if not dead(builder, container):
        return
    if builder.watch.state == "quarantined":
        _quarantined(builder)
        return
    if builder.watch.state == "crash-looping":
        _take_over(builder)
    beyond_a_start = container.state == "dead" or "network" in container.error.lower()
    builder.heal("recreate" if beyond_a_start else "start", builder.watch.cause or "it does not run")


def _docker_restarts(builder: DecisionBuilder, container: Container) -> None:
    """Docker itself is about to start it again: no second hand on it, but a loop is slowed down, or undone."""
    count_deaths(builder, container)
    if builder.watch.state == "crash-looping":
        _take_over(builder)
        builder.roll_back_if_due(builder.watch.cause)
    builder.wake_at(builder.now + SETTLE)


def _take_over(builder: DecisionBuilder) -> None:
    if builder.facts.heal.enabled:
        builder.take_over()


def _missing(builder: DecisionBuilder) -> None:
    watch = builder.watch
    if watch.state == "quarantined":
        _quarantined(builder)
        return
    if watch.state != "missing":
        builder.move("gone", "its container was removed")
        builder.remember(
            life="", ended=None, expected=False, good_since=None, cause="its container was removed", taken=""
        )
        builder.hold_back(least=SETTLE)
        builder.fire("missing", "page", f"{watch.service} is gone: its container was removed")
    builder.heal("recreate", "its container was removed")


# -- quarantined --


def _quarantined(builder: DecisionBuilder) -> None:
    watch, facts, now = builder.watch, builder.facts, builder.now
    container, verdict = facts.container, facts.verdict
    running = container is not None and container.state == "running"
    if running and verdict is not None and verdict.ok:
        good_since = min(verdict.at, now) if watch.good_since is None else watch.good_since
        builder.remember(good_since=good_since)
        if now < good_since + HALF_OPEN_CALM:
            builder.wake_at(good_since + HALF_OPEN_CALM)
            return
        builder.move("retried", "healthy by itself")
        builder.remember(retry_at=None)
        _good(builder)
        return
    builder.remember(good_since=None)
    retry_at = now if watch.retry_at is None else watch.retry_at
    if not facts.heal.enabled:
        return
    if now < retry_at:
        builder.wake_at(retry_at)
        return
    if facts.host_acts <= 0:
        builder.wake_at(now + FIRST)
        return
    builder.move("retried", "one try after the quarantine")
    builder.actions.append(Heal("recreate" if container is None else "restart" if running else "start", watch.reason))
    restarts = within(watch.restarts, facts.heal.budget_window, now)
    builder.remember(half_open=True, retry_at=None, expected=True, restarts=(*restarts, now), good_since=None)
