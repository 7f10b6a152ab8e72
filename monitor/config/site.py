"""From bgmon.yml to what the generated files are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from monitor.config.contacts import contacts
from monitor.config.generate import MuteSection, ServerSection
from monitor.config.logcompile import log_rule
from monitor.config.schema import Config
from monitor.config.service import ServiceSection
from monitor.domain.hosts import ssh_address
from monitor.render.site import MuteTiming, Objective, Site, SiteHost, SiteService, Source

THIS_MACHINE: Final = "localhost"
_PERCENT: Final = 100.0


def site_of(config: Config, texts: Sequence[str] = ()) -> Site:
    """The site; `texts` are `notify.urls` as they stand in the file (see config.contacts)."""
    section, notify = config.generate, config.notify
    spoken, silent = contacts(notify, list(texts)) if texts else ((), ())
    loki = section.loki.url if section.loki else _without_password(config.logs.url) or "http://127.0.0.1:3100"
    alertmanager = section.alertmanager.url if section.alertmanager else _without_password(notify.alertmanager)
    servers: dict[Source, ServerSection | None] = {
        "prometheus": section.prometheus,
        "loki": section.loki,
        "alertmanager": section.alertmanager,
    }
    services = tuple(_service(name, service) for name, service in sorted(config.all_services.items()))
    return Site(
        project=config.project,
        services=services,
        hosts=_hosts(config),
        loki_url=loki.rstrip("/"),
        prometheus_url=section.prometheus.url,
        alertmanager_url=(alertmanager or "http://127.0.0.1:9093").rstrip("/"),
        existing={
            name: server.uid for name, server in servers.items() if server is not None and server.uid is not None
        },
        default_source=section.grafana.default,
        grafana_url=section.grafana.url,
        runbook_base=section.runbooks or "",
        log_retention=section.retention.logs,
        metric_retention=section.retention.metrics,
        notify_by=section.notify_by,
        shipper=section.shipper,
        group=notify.group,
        repeat=notify.repeat,
        contacts=spoken,
        silent=silent,
        mutes=tuple(_mute(mute) for mute in section.mute),
        scrape_scheme="https" if config.watch.tls else "http",
        scrape_token=config.watch.token is not None,
        jobs=bool(config.jobs),
    )


def _without_password(url: str | None) -> str | None:
    """The daemon may need a password there; it has no place in generated files."""
    if url is None:
        return None
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _service(name: str, section: ServiceSection) -> SiteService:
    source = section.logs.source
    return SiteService(
        name,
        _objectives(section),
        counted=source == "app" or (source == "proxy" and section.port is not None),
        probed=section.port is not None and section.health.mode in ("auto", "http"),
        memory_limit=section.limits.memory is not None,
        cpu_limit=section.limits.cpus is not None,
        log=log_rule(section),
        events=tuple(section.logs.count),
    )


def _hosts(config: Config) -> tuple[SiteHost, ...]:
    port = config.watch.address[1]
    peers = {peer.name: peer.url for peer in config.watch.peers}
    hosts: list[SiteHost] = []
    for number, name in enumerate(config.hosts or (THIS_MACHINE,)):
        ssh = config.hosts[name].ssh if config.hosts else None
        if name in config.generate.targets:
            target = config.generate.targets[name]
        elif number == 0:  # the stack runs beside its daemon
            address = config.watch.address[0]
            target = _target("127.0.0.1" if address in ("0.0.0.0", "::", "localhost") else address, port)  # noqa: S104
        elif name in peers:
            parts = urlsplit(peers[name])
            target = _target(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        else:
            target = _target(ssh_address(ssh or name)[0].lower(), port)
        hosts.append(SiteHost(name, target))
    return tuple(hosts)


def _target(host: str, port: int) -> str:
    """What Prometheus scrapes: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _objectives(service: ServiceSection) -> tuple[Objective, ...]:
    made: list[Objective] = []
    slo = service.slo
    if slo.availability is not None:
        made.append(Objective("availability", round(slo.availability / _PERCENT, 9)))
    if slo.latency is not None:  # its threshold is a bucket: config.logs sees to it
        made.append(Objective("latency", round(slo.latency.target / _PERCENT, 9), slo.latency.threshold))
    return tuple(made)


def _mute(section: MuteSection) -> MuteTiming:
    times: list[tuple[str, str]] = []
    for item in section.times:
        start, _, end = item.partition("-")
        if start < end:
            times.append((start, end))
        else:  # over midnight, as two spans; neither Grafana nor Alertmanager takes one
            times.append((start, "24:00"))
            if end != "00:00":
                times.append(("00:00", end))
    return MuteTiming(section.name, section.severities, tuple(times), section.weekdays, section.location)
