"""What the generated files are about: the project's services, hosts and addresses, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from monitor.domain.alerting.conditions import Severity
from monitor.domain.logs.rules import LogRule
from monitor.render.grafana.uid import source_uid

Kind = Literal["slack", "discord", "teams", "telegram", "email", "webhook", "pushover", "pagerduty"]
Engine = Literal["grafana", "alertmanager"]
Source = Literal["prometheus", "loki", "alertmanager"]
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
class Mail:
    """A mail server, as Alertmanager wants it. `password` is the name of a variable; without one nobody logs in."""

    smarthost: str
    sender: str
    user: str = ""
    password: str = ""
    starttls: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """One place that a channel of `notify.urls` tells, as far as other programs can speak to it.

    `settings` has Grafana's names and holds references such as ${SLACK_URL}, never what they stand for; `variables`
    are those references. `where` is the channel's key in bgmon.yml. `lacks` says why an engine cannot speak to it,
    `loses` what of the channel's own settings only the daemon keeps.
    """

    kind: Kind
    label: str
    min_severity: Severity
    settings: dict[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    where: str = ""
    mail: Mail | None = None
    lacks: Mapping[Engine, str] = field(default_factory=dict)
    loses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SilentChannel:
    """A channel of `notify.urls` that no generated file can name: its key in bgmon.yml, its label, and why."""

    where: str
    label: str
    why: str
    min_severity: Severity = "info"

    def __str__(self) -> str:
        return f"{self.label}: {self.why}"


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
    existing: Mapping[Source, str] = field(default_factory=dict)
    """Uids of data sources that Grafana has already; the others are provisioned."""
    default_source: bool = False
    """Whether ours is what Grafana takes when a panel names no data source; it refuses to start with two such."""
    grafana_url: str = "http://127.0.0.1:3000"
    runbook_base: str = ""
    log_retention: float = 30 * 86400.0
    metric_retention: float = 35 * 86400.0
    notify_by: Notifier = "grafana"
    shipper: Literal["alloy", "promtail"] = "alloy"
    group: float = 10.0
    repeat: float = 14400.0
    contacts: tuple[Contact, ...] = ()
    silent: tuple[SilentChannel, ...] = ()
    mutes: tuple[MuteTiming, ...] = ()
    scrape_scheme: Literal["http", "https"] = "http"
    scrape_token: bool = False
    jobs: bool = False
    """Whether anything runs by a schedule."""
    engine_socket: str = "/var/run/docker.sock"

    def source_uid(self, source: Source) -> str:
        """The uid of a data source in Grafana; ours differ from project to project, since it keeps one of a kind."""
        if source in self.existing:
            return self.existing[source]
        return source_uid(self.project, source)

    @property
    def host(self) -> SiteHost:
        """The machine that runs the stack."""
        return self.hosts[0]
