"""A service's health: the states, the moves between them, and what is remembered from one look to the next.

Rules of the table:

- `locked` leads from everywhere to `deploying`, and only `unlocked` leads out of it: a deploy is never disturbed.
- `stopped` leads from everywhere but `deploying` to `stopped`; out of it lead a person's start (`found`), a withdrawn
  wish (`wanted`) and a deploy.
- `quarantined` is left by a half-open try (`retried`), by a person's start (`found`), or by a deploy, never by itself.
- `crash-looping` is left by a run that lasted (`passed`), not by the next start: a service that comes up for two
  seconds at a time is not healthy now and then.
- A move that the table does not hold raises `IllegalHealthMove`: it is a mistake in the program, never weather.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from monitor.domain.alerting.conditions import ConditionKind

HealthState = Literal[
    "unknown",
    "starting",
    "healthy",
    "degraded",
    "unhealthy",
    "crash-looping",
    "quarantined",
    "stopped",
    "deploying",
    "missing",
]
Trigger = Literal[
    "found",  # it runs, in a life not seen before
    "passed",  # its health is good
    "failed",  # its health is lost, or did not come within the start period
    "strained",  # it answers, but too many requests fail or take too long, or the kernel kills in it
    "eased",  # that is over
    "died",  # its process ended by itself
    "looped",  # it died too often in a short time
    "gone",  # its container was removed
    "stopped",  # a person wants it down
    "wanted",  # a person wants it up again
    "locked",  # a deploy, or another command, changes it
    "unlocked",
    "spent",  # healing did not help and is not tried any more for now
    "retried",  # one half-open try
]
STATES: Final[tuple[HealthState, ...]] = get_args(HealthState)
TRIGGERS: Final[tuple[Trigger, ...]] = get_args(Trigger)

_ANYWHERE: Final[dict[Trigger, HealthState]] = {"locked": "deploying", "stopped": "stopped"}
_BAD: Final[dict[Trigger, HealthState]] = {
    **_ANYWHERE,
    "failed": "unhealthy",
    "died": "unhealthy",
    "looped": "crash-looping",
    "gone": "missing",
    "spent": "quarantined",
}
TABLE: Final[Mapping[HealthState, Mapping[Trigger, HealthState]]] = {
    "unknown": {**_BAD, "found": "starting", "passed": "healthy"},
    "starting": {**_BAD, "found": "starting", "passed": "healthy"},
    "healthy": {**_BAD, "found": "starting", "strained": "degraded"},
    "degraded": {**_BAD, "found": "starting", "eased": "healthy"},
    "unhealthy": {**_BAD, "found": "starting", "passed": "healthy"},
    "crash-looping": {
        **_BAD,
        "found": "crash-looping",
        "failed": "crash-looping",
        "died": "crash-looping",
        "passed": "healthy",
    },
    "missing": {**_BAD, "found": "starting", "passed": "healthy"},
    "quarantined": {**_ANYWHERE, "found": "starting", "retried": "starting", "gone": "quarantined"},
    "stopped": {"locked": "deploying", "stopped": "stopped", "found": "starting", "wanted": "unknown"},
    "deploying": {"locked": "deploying", "unlocked": "unknown"},
}
GOOD: Final[frozenset[HealthState]] = frozenset({"healthy", "degraded"})
DOWN: Final[frozenset[HealthState]] = frozenset({"unhealthy", "crash-looping", "quarantined", "missing"})


class IllegalHealthMove(Exception):
    """A trigger that the table does not hold for this state."""


def move(state: HealthState, trigger: Trigger) -> HealthState:
    """The state after `trigger`. Raises IllegalHealthMove."""
    try:
        return TABLE[state][trigger]
    except KeyError:
        raise IllegalHealthMove(f"a service that is {state} cannot be {trigger}") from None


@dataclass(frozen=True, slots=True)
class Watch:
    """All that is remembered of one service. Times are unix seconds; it is kept as JSON between two daemons.

    `life` is the container's id with its start, since Docker's own restarts keep the id; `ended` is when its death was
    counted, `expected` says that its end is bgmon's own doing, and `lost` names the
    life whose lost health was reported. `exits` and `restarts` are times within their
    windows. `attempts` counts acts since the service was last stable, and `not_before` holds the
    next one back. `taken` is the restart policy to give back once the service is stable. `oom_kills` counts the
    kernel's kills in the life `oom_life`, and `oom_at` is when one was last seen to be new.
    """

    service: str
    state: HealthState = "unknown"
    since: float = 0.0
    reason: str = ""
    deploy: str = ""
    life: str = ""
    ended: float | None = None
    expected: bool = False
    lost: str = ""
    exits: tuple[float, ...] = ()
    flaps: tuple[float, ...] = ()
    restarts: tuple[float, ...] = ()
    attempts: int = 0
    not_before: float = 0.0
    good_since: float | None = None
    oom_life: str = ""
    oom_kills: int = 0
    oom_at: float | None = None
    quarantines: int = 0
    retry_at: float | None = None
    half_open: bool = False
    taken: str = ""
    error: str = ""
    same_errors: int = 0
    rolled_back: str = ""
    stopped_by: str = ""
    stopped_at: float | None = None
    fired: tuple[ConditionKind, ...] = ()
    down_since: float | None = None
    cause: str = ""
    wake: float | None = None


def fresh(service: str, deploy: str, now: float) -> Watch:
    """What is known of a service at first sight, or after another release took its place: nothing."""
    return Watch(service=service, deploy=deploy, since=now)


def settled(watch: Watch, now: float) -> Watch:
    """The same with no time in the future, as a clock that was set back leaves them behind.

    Without this, a wait or a quarantine would last longer by the whole step.
    """
    single = (watch.since, watch.good_since or 0.0, watch.oom_at or 0.0)
    step = max((*single, *watch.restarts, *watch.exits)) - now
    if step <= 0:
        return watch
    return replace(
        watch,
        since=min(watch.since, now),
        good_since=None if watch.good_since is None else min(watch.good_since, now),
        exits=tuple(min(at, now) for at in watch.exits),
        flaps=tuple(min(at, now) for at in watch.flaps),
        restarts=tuple(min(at, now) for at in watch.restarts),
        oom_at=None if watch.oom_at is None else min(watch.oom_at, now),
        not_before=watch.not_before - step,
        retry_at=None if watch.retry_at is None else watch.retry_at - step,
        down_since=None if watch.down_since is None else min(watch.down_since, now),
    )
