"""A process that ended: counted once, explained, and answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from monitor.domain.containers import Container
from monitor.domain.health.backoff import delay, within
from monitor.domain.health.causes import exit_label, exit_words, span
from monitor.domain.health.decision_builder import DecisionBuilder
from monitor.domain.health.facts import CountExit, Death
from monitor.domain.health.oom import flagged, kills_before
from monitor.domain.health.stop_detection import SETTLE, StopIntent, explains
from monitor.domain.health.watch import Watch

LOOP_EXITS: Final = 3
LOOP_WINDOW: Final = 600.0
A_PERSON: Final = "a person (docker stop)"
_SAME_DEATH: Final = 0.4  # the engine cannot start and lose a process again this quickly
_LYING: Final = frozenset({"exited", "dead"})


def life_of(container: Container) -> str:
    """A container's current or last run; Docker's restarts keep the id, so the start belongs to it."""
    return f"{container.id[:12]}@{container.started_at or 0:.3f}"


def dead(builder: DecisionBuilder, container: Container) -> bool:
    """Created but not started, exited, or dead. Whether it is for the caller to heal it."""
    intent = _since_start(builder.facts.intent, container)
    wished = intent is not None and (intent.certain or explains(intent, container.finished_at))
    if intent is not None and wished and container.state == "exited":
        _settle_or_stop(builder, intent.at)
        return False
    if _left_alone_by_docker(builder, container):
        count_deaths(builder, container, quietly=True)
        _settle_or_stop(builder, container.finished_at or builder.now)
        return False
    if _perhaps_stopped(builder, container):
        return False
    counted = count_deaths(builder, container)
    if not counted and builder.watch.state not in ("unhealthy", "crash-looping", "quarantined"):
        _blame(builder, container, _traced(builder, container))
    return True


def _since_start(intent: StopIntent | None, container: Container) -> StopIntent | None:
    return None if intent is not None and intent.at < (container.started_at or 0.0) else intent


def _perhaps_stopped(builder: DecisionBuilder, container: Container) -> bool:
    """Whether it ended after a signal that is some images' stop signal, and the engine may yet call it a stop."""
    at, ended = builder.facts.signalled, container.finished_at
    if at is None or ended is None or at < (container.started_at or 0.0) or builder.now >= ended + SETTLE:
        return False
    if not explains(StopIntent(at, certain=False), ended):
        return False
    builder.wake_at(ended + SETTLE)
    return True


def _settle_or_stop(builder: DecisionBuilder, at: float) -> None:
    """Look again after a moment: `docker restart`, too, begins with a stop."""
    if builder.now < at + SETTLE:
        builder.wake_at(at + SETTLE)
    else:
        builder.stop(A_PERSON, at)


def _left_alone_by_docker(builder: DecisionBuilder, container: Container) -> bool:
    """Whether Docker would have restarted it by itself, had nobody stopped it.

    These policies restart after any exit, and over the engine's own restarts too, except what was stopped on purpose;
    a start that failed leaves an error behind. An engine that was killed ends what it finds alive when it comes back,
    and then takes that for a stop as well: what ended during its outage is no person's doing.
    """
    outage, ended = builder.facts.outage, container.finished_at
    with_the_engine = outage is not None and ended is not None and outage[0] <= ended <= outage[1]
    return (
        not with_the_engine
        and container.state == "exited"
        and container.restart_policy in ("always", "unless-stopped")
        and not container.error
        and not builder.watch.taken
        and not builder.watch.expected
        and not builder.watch.half_open
    )


def count_deaths(builder: DecisionBuilder, container: Container, *, quietly: bool = False) -> bool:
    """Count each death once: those reported, and one that only its traces tell of. Whether there was any."""
    deaths = _uncounted(builder, container)
    for death in deaths:
        builder.remember(ended=death.at, expected=False)
        if not quietly:
            builder.actions.append(CountExit(exit_label(death.code, oom=death.oom, error=container.error)))
            builder.remember(exits=(*within(builder.watch.exits, LOOP_WINDOW, builder.now), death.at))
            _blame(builder, container, death)
    if deaths and container.state != "running":
        builder.remember(life=life_of(container))
    return bool(deaths)


def _uncounted(builder: DecisionBuilder, container: Container) -> list[Death]:
    facts, watch = builder.facts, builder.watch
    life = life_of(container)
    deaths = [death for death in facts.deaths if not _wished(death, facts.intent, container)]
    if watch.ended is not None:
        ended = watch.ended
        deaths = [death for death in deaths if abs(death.at - ended) > _SAME_DEATH]
    if life == watch.life:  # what is older than this life has been counted when it was first seen
        deaths = [death for death in deaths if death.at > (container.started_at or 0.0)]
    if container.state in (*_LYING, "restarting") and container.started_at is not None:
        at = container.finished_at or builder.now
        if flagged(watch, container):  # the flag may come after the event that told of the death
            deaths = [replace(death, oom=True) if abs(death.at - at) <= _SAME_DEATH else death for death in deaths]
        if (life != watch.life or watch.ended is None) and not any(abs(d.at - at) <= _SAME_DEATH for d in deaths):
            deaths.append(_traced(builder, container))
    elif container.state == "running" and not facts.deaths and _lost_sight(builder, container):
        deaths.append(Death(builder.now))
    return deaths


def _traced(builder: DecisionBuilder, container: Container) -> Death:
    """The death of a container that lies there, by what the engine keeps of it."""
    return Death(container.finished_at or builder.now, container.exit_code, flagged(builder.watch, container))


def _wished(death: Death, intent: StopIntent | None, container: Container) -> bool:
    """Whether a person wanted this death; a wish from before the life that ended does not count."""
    started = container.started_at or 0.0
    older = intent is not None and intent.at < started <= death.at
    return explains(intent, death.at) and not older


def _lost_sight(builder: DecisionBuilder, container: Container) -> bool:
    """Whether it runs in another life than the one we knew, and nobody told us how that one ended."""
    watch, intent = builder.watch, builder.facts.intent
    known, _, started = watch.life.partition("@")
    if not known or not container.id.startswith(known) or watch.life == life_of(container):
        return False
    wished = intent is not None and intent.at >= float(started)
    return watch.ended is None and not watch.expected and not wished


def _blame(builder: DecisionBuilder, container: Container, death: Death) -> None:
    """Say why it is down, and whether this is a loop."""
    watch = builder.watch
    cause = _cause(builder, container, death)
    builder.remember(cause=cause, good_since=None)
    if watch.state == "quarantined":
        builder.remember(reason=cause)
        return
    if watch.state == "crash-looping" or len(watch.exits) >= LOOP_EXITS:
        builder.move("looped", cause)
        count = len(watch.exits)
        summary = f"{watch.service} crash-loops: {count} exits in {span(LOOP_WINDOW)}; the last: {cause}"
        builder.fire("crash-loop", "page", summary)
    else:
        builder.move("died", cause)
        builder.fire("oom" if death.oom else "exited", "ticket", f"{watch.service} died: {cause}")
    builder.remember(not_before=builder.now + delay(watch.attempts))


def _cause(builder: DecisionBuilder, container: Container, death: Death) -> str:
    if container.state == "created":
        return f"could not start: {container.error}" if container.error else "its container was never started"
    started = _started(builder.watch, container)
    ran = death.at - started if started is not None and death.at >= started else None
    error = container.error if container.state in _LYING else ""
    words = exit_words(death.code, oom=death.oom, error=error, ran=ran, memory=builder.facts.memory)
    return words if death.oom else words + kills_before(builder)


def _started(watch: Watch, container: Container) -> float | None:
    """When the life that ended began: the container's own word while it lies there, else what was known of it."""
    if container.state in _LYING:
        return container.started_at
    _, _, known = watch.life.partition("@")
    return float(known) if known else None
