"""A deploy on several hosts: which go when, and what becomes of those that are done when one fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from monitor.domain.deploy.spec import RolloutPolicy

HostState = Literal["waiting", "done", "failed", "unknown", "undone", "kept"]


def merged(policies: Sequence[RolloutPolicy]) -> RolloutPolicy:
    """One policy for services that are deployed together: the most careful of each setting."""
    if not policies:
        return RolloutPolicy()
    return RolloutPolicy(
        parallel=min(policy.parallel for policy in policies),
        pause=max(policy.pause for policy in policies),
        on_failure="rollback" if any(policy.on_failure == "rollback" for policy in policies) else "stop",
        first=next((policy.first for policy in policies if policy.first), None),
        bake=max(policy.bake for policy in policies),
    )


def waves(hosts: Sequence[str], policy: RolloutPolicy) -> list[list[str]]:
    """Hosts that are deployed to at the same time, wave after wave, in their order.

    `policy.first` is alone in the first one; it is left out where it is not among the hosts.

    >>> waves(["a", "b", "c", "d"], RolloutPolicy(parallel=2, first="c"))
    [['c'], ['a', 'b'], ['d']]
    """
    first = [policy.first] if policy.first in hosts and policy.first is not None else []
    rest = [host for host in hosts if host not in first]
    return [[host] for host in first] + [
        rest[start : start + policy.parallel] for start in range(0, len(rest), policy.parallel)
    ]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a host says of a service during the bake."""

    state: str
    version: str | None
    restarts: int


_FINE = frozenset({"running", "starting", "maintenance"})


def seen(document: Mapping[str, Any], service: str) -> Seen | None:
    """Of one service, out of what `bgmon status --json` printed; None when it is not among them."""
    for row in document.get("services", ()):
        if row.get("name") == service:
            return Seen(str(row.get("state")), row.get("version"), int(row.get("restarts") or 0))
    return None


def got_worse(before: Seen | None, now: Seen | None) -> str:
    """Why a service that was just deployed is not fit for the other hosts; empty when it is."""
    if now is None:
        return "it is gone"
    if now.state not in _FINE:
        return f"it is {now.state}"
    if before is not None and now.version != before.version:
        return f"{now.version} serves instead of {before.version}"
    if before is not None and now.restarts > before.restarts:
        return "it was restarted"
    return ""


def differing(images: Mapping[str, Mapping[str, str]]) -> str:
    """Of {service: {host: image}}, which service would be another image on another host; empty when none would.

    Images without a digest were never in a registry: each host has its own.
    """
    for service, found in images.items():
        if len({image for image in found.values() if "@" in image}) > 1:
            places = ", ".join(f"{host}: {image}" for host, image in found.items())
            return f"{service} is not the same image everywhere ({places})"
    return ""
