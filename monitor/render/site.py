"""What the generated files are about: the project's services, hosts and addresses, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from monitor.domain.alerting.conditions import Severity
from monitor.domain.logs.rules import LogRule

Kind = Literal["slack", "discord", "teams", "telegram", "email", "webhook"]
_BY_PROXY: Final = LogRule()
Notifier = Literal["grafana", "alertmanager", "none"]


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise: a share `ratio` of the requests is good. `le` is the histogram bound behind a latency promise."""

    slo: Literal["availability", "latency"]
    ratio: float
    le: float | None = None


@dataclass(frozen=True, slots=True)
class SiteService:
    """`counted`: a log tells of its requests. `probed`: its health is asked for by HTTP."""

    name: str
    objectives: tuple[Objective, ...] = ()
    counted: bool = True
    probed: bool = True
    memory_limit: bool = True
    cpu_limit: bool = True
    log: LogRule | None = _BY_PROXY
    """How its requests are read out of a log; None where nobody counts them."""
    events: tuple[str, ...] = ()
    """What is counted in its output besides requests."""


@dataclass(frozen=True, slots=True)
class SiteHost:
    """A machine; `target` is where Prometheus finds its daemon."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Contact:
    """One channel of `notify.urls`, as far as other programs can speak to it.

    `url` and `settings` hold references such as ${SLACK_URL}, never what they stand for.
    """

    kind: Kind
    label: str
    min_severity: Severity
    settings: dict[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MuteTiming:
    """When alerts of these severities stay quiet. Times are (start, end) as HH:MM, with end 24:00 at most."""

    name: str
    severities: tuple[Severity, ...]
    times: tuple[tuple[str, str], ...]
    weekdays: tuple[str, ...] = ()
    location: str = "UTC"


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that renderers need to know. Durations are seconds."""

    project: str
    services: tuple[SiteService, ...]
    hosts: tuple[SiteHost, ...]
    loki_url: str = "http://127.0.0.1:3100"
    prometheus_url: str = "http://127.0.0.1:9090"
    alertmanager_url: str = "http://127.0.0.1:9093"
    grafana_url: str = "http://127.0.0.1:3000"
    runbook_base: str = ""
    log_retention: float = 30 * 86400.0
    metric_retention: float = 35 * 86400.0
    notify_by: Notifier = "grafana"
    shipper: Literal["alloy", "promtail"] = "alloy"
    group: float = 10.0
    repeat: float = 14400.0
    contacts: tuple[Contact, ...] = ()
    silent: tuple[str, ...] = ()  # channels of notify.urls that only the daemon can speak to
    mutes: tuple[MuteTiming, ...] = ()
    scrape_scheme: Literal["http", "https"] = "http"
    scrape_token: bool = False
    engine_socket: str = "/var/run/docker.sock"

    @property
    def host(self) -> SiteHost:
        """The machine that runs the stack."""
        return self.hosts[0]
