"""What to do about one service, given everything known about it: the heart of the watchdog, and pure.

`decide` looks at levels (what is), not at edges (what happened): whoever missed an event comes to the same conclusion
at the next look. Events only add what cannot be seen afterwards: how a process died that Docker has started again
since, and that a person asked for it.

The order of the questions is the order of respect: a deploy at work comes before a person's wish, a person's wish
before what Docker does by itself, and that before any healing.
"""

from __future__ import annotations

from typing import Final

from monitor.domain.backoff import FIRST, RESET_AFTER, delay, within
from monitor.domain.causes import span
from monitor.domain.containers import Container
from monitor.domain.deaths import count_deaths, dead, life_of
from monitor.domain.intent import SETTLE
from monitor.domain.oom import count_kills, kills_before, memory_strain
from monitor.domain.turn import RESTARTING_POLICIES, Turn
from monitor.domain.watch import Watch, fresh, settled
from monitor.domain.watchfacts import CountRestart, Decision, Facts, ForgetStop, Heal

LOCK_POLL: Final = 1.0
FLAPS: Final = 3
FLAP_WINDOW: Final = 600.0
FLAP_CALM: Final = 60.0
HALF_OPEN_CALM: Final = 60.0
_PAUSED: Final = "paused by a person"


def decide(watch: Watch, facts: Facts, now: float) -> Decision:
    """The watch after this look, and what is to be done."""
    turn = Turn(settled(watch, now), facts, now)
    _adopt_release(turn)
    if facts.locked:
        if turn.watch.state != "deploying":
            turn.move("locked", "a deploy or a command is at work")
        turn.wake_at(now + LOCK_POLL)  # nobody tells when a lock is let go
        return turn.decision()
    _after_deploy(turn)
    if _person_stopped(turn):
        return turn.decision()
    container = facts.container
    if container is None:
        _missing(turn)
    elif container.state == "running":
        _running(turn, container)
    elif container.state == "removing":
        turn.wake_at(now + SETTLE)
    elif container.state == "restarting":
        _docker_restarts(turn, container)
    else:
        _down(turn, container)
    return turn.decision()


def _adopt_release(turn: Turn) -> None:
    """Another release took the place: nothing that was known of the former one holds."""
    deploy = turn.facts.wanted.deploy
    if turn.watch.deploy == deploy:
        return
    if turn.watch.deploy:
        turn.resolve(f"version {turn.facts.wanted.version or deploy} took its place")
    turn.remember(**{
        name: getattr(fresh(turn.watch.service, deploy, turn.now), name) for name in Watch.__dataclass_fields__
    })  # fmt: skip


def _after_deploy(turn: Turn) -> None:
    """The lock is free again: whoever held it has put things right as far as it could, so budgets begin anew."""
    if turn.watch.state != "deploying":
        return
    turn.move("unlocked", "")
    turn.remember(
        life="", ended=None, expected=False, exits=(), flaps=(), restarts=(), attempts=0, not_before=0.0,
        good_since=None, quarantines=0, retry_at=None, half_open=False, error="", same_errors=0,
    )  # fmt: skip


def _person_stopped(turn: Turn) -> bool:
    """Whether a person wants it down, or froze it."""
    facts, container = turn.facts, turn.facts.container
    running = container is not None and container.state == "running"
    if facts.stopped_by:
        started = container.started_at if container is not None else None
        if not (running and started is not None and started > (facts.stopped_at or 0.0)):
            turn.stop(facts.stopped_by, facts.stopped_at or turn.now)
            return True
        turn.actions.append(ForgetStop())
        turn.note("started again by a person")
    elif container is not None and container.state == "paused":
        if turn.watch.state != "stopped":
            turn.move("stopped", _PAUSED)
        return True
    if turn.watch.state == "stopped":
        turn.move("wanted", "")
        turn.remember(life="", ended=None)
    return False


# -- alive --


def _running(turn: Turn, container: Container) -> None:
    life = life_of(container)
    count_deaths(turn, container)
    if life != turn.watch.life:
        _new_life(turn, container, life)
    count_kills(turn, container, life)
    if turn.watch.state == "quarantined":
        _quarantined(turn)
        return
    verdict = turn.facts.verdict
    if verdict is None:
        health = turn.facts.health
        turn.wake_at(_started(turn, container) + (health.settle if health.mode == "running" else health.start))
    elif verdict.ok:
        _good(turn)
    else:
        _lost(turn, container, verdict.detail)


def _new_life(turn: Turn, container: Container, life: str) -> None:
    watch = turn.watch
    by_docker = watch.ended is not None and not watch.expected
    turn.remember(life=life, ended=None, expected=False, good_since=None)
    if by_docker:
        # It died, and bgmon did not start it: the restart counts, or the budget would not know what Docker spends.
        turn.actions.append(CountRestart("docker"))
        restarts = within(watch.restarts, turn.facts.heal.budget_window, turn.now)
        turn.remember(restarts=(*restarts, turn.now), attempts=watch.attempts + 1)
    if watch.state == "quarantined":
        if watch.expected or turn.now < watch.not_before:
            return  # what Docker, or bgmon, had already set going when it was put here
        turn.remember(attempts=0, restarts=(), exits=(), retry_at=None)
        turn.note("started by a person while in quarantine")
    turn.move("found", f"started again; before: {watch.cause}" if watch.cause else "it starts")
    if turn.watch.state == "crash-looping" and container.restart_policy in RESTARTING_POLICIES:
        _take_over(turn)


def _good(turn: Turn) -> None:
    watch, now = turn.watch, turn.now
    assert turn.facts.verdict is not None
    good_since = min(turn.facts.verdict.at, now) if watch.good_since is None else watch.good_since
    turn.remember(good_since=good_since)
    if watch.state not in ("healthy", "degraded"):
        calm = _calm_needed(watch, now)
        if now < good_since + calm:
            turn.wake_at(good_since + calm)
            return
        down = f" after {span(now - watch.down_since)}" if watch.down_since is not None else ""
        turn.move("passed", "")
        turn.resolve(f"healthy again{down}")
        turn.remember(half_open=False)
    _strain(turn)
    if now < good_since + RESET_AFTER:
        turn.wake_at(good_since + RESET_AFTER)
    elif watch.attempts or watch.exits or watch.taken or watch.quarantines:
        turn.give_back()
        turn.remember(attempts=0, exits=(), quarantines=0, not_before=0.0, error="", same_errors=0)


def _calm_needed(watch: Watch, now: float) -> float:
    """How long it must be good before it is believed: at once, unless it has lately come and gone."""
    if watch.state == "crash-looping":
        return max(FIRST, delay(watch.attempts))
    if watch.half_open:
        return HALF_OPEN_CALM
    return FLAP_CALM if len(within(watch.flaps, FLAP_WINDOW, now)) >= FLAPS else 0.0


def _strain(turn: Turn) -> None:
    service, memory = turn.watch.service, memory_strain(turn)
    strain = "; ".join(filter(None, (turn.facts.strain, memory)))
    if strain and turn.watch.state == "healthy":
        turn.move("strained", strain)
        turn.fire("degraded", "ticket", f"{service} is degraded: {strain}")
    elif strain and turn.watch.state == "degraded":
        if memory not in turn.watch.reason:
            turn.note(memory)
        turn.remember(reason=strain)
    elif turn.watch.state == "degraded":
        turn.move("eased", "")
        turn.resolve("within its limits again")


def _lost(turn: Turn, container: Container, detail: str) -> None:
    """It runs, and its health is gone."""
    watch, now = turn.watch, turn.now
    detail += kills_before(turn)
    started = _started(turn, container)
    new = watch.state in ("starting", "crash-looping") and watch.good_since is None
    if new and now < started + turn.facts.health.start:
        turn.wake_at(started + turn.facts.health.start)
        return
    turn.remember(good_since=None)
    if watch.state not in ("unhealthy", "crash-looping") or watch.lost != watch.life:
        turn.move("failed", detail)
        turn.remember(flaps=(*within(watch.flaps, FLAP_WINDOW, now), now), cause=detail, lost=watch.life)
        if len(turn.watch.flaps) >= FLAPS:
            turn.remember(reason=f"{detail}; it comes and goes: {len(turn.watch.flaps)} times in {span(FLAP_WINDOW)}")
        turn.hold_back()
        turn.fire("unhealthy", "page", f"{watch.service} is not healthy: {detail}")
    turn.heal("restart", detail)


def _started(turn: Turn, container: Container) -> float:
    return turn.now if container.started_at is None else container.started_at


# -- down --


def _down(turn: Turn, container: Container) -> None:
    if not dead(turn, container):
        return
    if turn.watch.state == "quarantined":
        _quarantined(turn)
        return
    if turn.watch.state == "crash-looping":
        _take_over(turn)
    beyond_a_start = container.state == "dead" or "network" in container.error.lower()
    turn.heal("recreate" if beyond_a_start else "start", turn.watch.cause or "it does not run")


def _docker_restarts(turn: Turn, container: Container) -> None:
    """Docker itself is about to start it again: no second hand on it, but a loop is slowed down, or undone."""
    count_deaths(turn, container)
    if turn.watch.state == "crash-looping":
        _take_over(turn)
        turn.roll_back_if_due(turn.watch.cause)
    turn.wake_at(turn.now + SETTLE)


def _take_over(turn: Turn) -> None:
    if turn.facts.heal.enabled:
        turn.take_over()


def _missing(turn: Turn) -> None:
    watch = turn.watch
    if watch.state == "quarantined":
        _quarantined(turn)
        return
    if watch.state != "missing":
        turn.move("gone", "its container was removed")
        turn.remember(life="", ended=None, expected=False, good_since=None, cause="its container was removed", taken="")
        turn.hold_back(least=SETTLE)
        turn.fire("missing", "page", f"{watch.service} is gone: its container was removed")
    turn.heal("recreate", "its container was removed")


# -- quarantined --


def _quarantined(turn: Turn) -> None:
    watch, facts, now = turn.watch, turn.facts, turn.now
    container, verdict = facts.container, facts.verdict
    running = container is not None and container.state == "running"
    if running and verdict is not None and verdict.ok:
        good_since = min(verdict.at, now) if watch.good_since is None else watch.good_since
        turn.remember(good_since=good_since)
        if now < good_since + HALF_OPEN_CALM:
            turn.wake_at(good_since + HALF_OPEN_CALM)
            return
        turn.move("retried", "healthy by itself")
        turn.remember(retry_at=None)
        _good(turn)
        return
    turn.remember(good_since=None)
    retry_at = now if watch.retry_at is None else watch.retry_at
    if not facts.heal.enabled:
        return
    if now < retry_at:
        turn.wake_at(retry_at)
        return
    if facts.host_acts <= 0:
        turn.wake_at(now + FIRST)
        return
    turn.move("retried", "one try after the quarantine")
    turn.actions.append(Heal("recreate" if container is None else "restart" if running else "start", watch.reason))
    restarts = within(watch.restarts, facts.heal.budget_window, now)
    turn.remember(half_open=True, retry_at=None, expected=True, restarts=(*restarts, now), good_since=None)
