"""What keeps an alert quiet: a silence, a cause above it, or a service that its own one needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from monitor.domain.alerting.conditions import UPSTREAM, Condition, ConditionKind
from monitor.domain.alerting.open_alerts import Alert, AlertPolicy, AlertState, Key, Silence

OVER: Final[frozenset[AlertState]] = frozenset({"ending", "brief", "gone"})

# A cause hides what ranks below it. A peer is not below this host's engine, and trouble with the state file is never
# hidden: it may be the reason why something else is wrong.
_RANK: Final[Mapping[ConditionKind, int]] = {
    "state": -1,
    "host-offline": 0,
    "engine-down": 1,
    "peer-down": 1,
    "proxy-down": 2,
}
_BELOW_ALL: Final = 3
# What a service that others need may do to them, and what it looks like there.
_DOWN: Final[frozenset[ConditionKind]] = frozenset({"unhealthy", "exited", "missing", "crash-loop", "quarantined"})
_FOLLOWS: Final[frozenset[ConditionKind]] = frozenset({"unhealthy", "exited", "crash-loop", "degraded"})


def silenced(condition: Condition, silences: Sequence[Silence], now: float) -> bool:
    return any(silence.covers(condition, now) for silence in silences)


def hider(
    alert: Alert, alerts: Mapping[Key, Alert], silences: Sequence[Silence], policy: AlertPolicy, now: float
) -> str:
    """Why this alert is to be quiet; empty when it is not."""
    for silence in silences:
        if silence.covers(alert.condition, now):
            return f"silence {silence.id}"
    open_now = [other for other in alerts.values() if other.state not in OVER]
    rank = _rank(alert.condition.kind)
    above = [other.condition.kind for other in open_now if other.condition.kind in UPSTREAM]
    above = [kind for kind in above if _rank(kind) < rank]
    if above:
        return min(above, key=_rank)
    if alert.condition.kind in _FOLLOWS and alert.condition.service:
        needed = _needed(alert.condition.service, policy.needs)
        for other in open_now:
            if other.condition.kind in _DOWN and other.condition.service in needed:
                return f"{other.condition.service} {other.condition.kind}"
    return ""


def hides(alert: Alert, alerts: Mapping[Key, Alert]) -> int:
    names = {alert.condition.kind, f"{alert.condition.service} {alert.condition.kind}"}
    return sum(1 for other in alerts.values() if other.state == "hidden" and other.hidden_by in names)


def _rank(kind: ConditionKind) -> int:
    return _RANK.get(kind, _BELOW_ALL)


def _needed(service: str, needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All services it needs, directly or not; those in a circle with it hide nothing, or both would be hidden."""
    return {other for other in _reach(service, needs) if service not in _reach(other, needs)}


def _reach(service: str, needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    pending = list(needs.get(service, ()))
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += needs.get(name, ())
    return found
