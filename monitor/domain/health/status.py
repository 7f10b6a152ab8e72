"""What the status page, the API and `bgmon top` show: a picture of one host at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.domain.alerting.conditions import Condition


@dataclass(frozen=True, slots=True)
class HealthBucket:
    """Probes of one slice of time; `at` is its start, in unix seconds. `latency` is the mean in seconds."""

    at: float
    probes: int
    failures: int
    latency: float


@dataclass(frozen=True, slots=True)
class ServiceView:
    name: str
    state: str
    since: float | None
    color: str
    version: str
    image: str
    port: int | None
    restarts: int
    reason: str = ""
    history: tuple[HealthBucket, ...] = ()
    probe_ok: bool | None = None  # the last probe; None where there was none
    probe_seconds: float | None = None
    maintenance: bool = False
    budget: int | None = None  # restarts that are left


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One failure from its start to its end. `cause` is in words; `acts` are what was done about it."""

    id: int
    service: str
    kind: str
    started_at: float
    ended_at: float | None
    cause: str
    detail: str = ""
    acts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeployView:
    service: str
    version: str
    kind: str
    result: str
    who: str
    started_at: float
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    project: str
    host: str
    at: float
    engine_up: bool
    proxy_up: bool
    services: tuple[ServiceView, ...] = ()
    incidents: tuple[IncidentView, ...] = ()
    deploys: tuple[DeployView, ...] = ()
    firing: tuple[Condition, ...] = ()
