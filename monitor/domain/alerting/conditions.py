"""What is wrong right now, as the watchdog says it and the alerts tell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["page", "ticket", "info"]
ConditionKind = Literal[
    "engine-down",
    "proxy-down",
    "host-offline",  # the daemon's own connectivity is lost
    "peer-down",
    "unhealthy",
    "exited",
    "missing",
    "crash-loop",
    "quarantined",
    "oom",
    "degraded",
    "heal-failed",
    "deploy-failed",
    "rolled-back",
    "deployed",
    "log-source",
    "dns",  # a service's internal name points elsewhere than at its hosts
    "certificate",  # it ends soon, or could not be got
    "state",
    "job-failed",  # after its last retry
    "job-missed",  # a planned run did not begin in time
    "job-slow",  # a run takes longer than usual
    "test",  # `bgmon notify test`
    "orphan",  # a container with our labels that no release knows
]

# What a condition hides while it lasts: everything below it on this host.
UPSTREAM: frozenset[ConditionKind] = frozenset({"engine-down", "proxy-down", "host-offline"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong. (kind, service) identifies it while it lasts; `service` is empty for the host.

    `summary` is one line; `detail` says why, with the last log lines, secrets masked.
    """

    kind: ConditionKind
    service: str
    severity: Severity
    summary: str
    detail: str = ""
    incident: int | None = None
