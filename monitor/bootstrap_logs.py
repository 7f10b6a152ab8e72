"""Which log source, and what reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.config.logcompile import log_rules

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.logrules import LogRule
    from monitor.ports.logs import LogSource
    from monitor.services.logmetrics.poller import LogPoller


def rules(app: App) -> dict[str, LogRule]:
    """How each service's log is read; services without request metrics are missing."""
    return log_rules(app.config)


def make_source(app: App, *, follow: bool) -> LogSource:
    """The source that bgmon.yml names. `follow`: for the daemon, which must not miss a removed container's last lines.

    Raises UsageError when certificates cannot be read or the engine is out of reach for logs.
    """
    section = app.config.logs
    if section.source == "loki":
        from monitor.adapters.clock import SystemClock  # noqa: PLC0415
        from monitor.adapters.loki.client import LokiClient, LokiOptions  # noqa: PLC0415
        from monitor.adapters.loki.source import LokiPolicy, LokiSource  # noqa: PLC0415

        assert section.url is not None  # the schema says so
        options = LokiOptions(
            url=section.url,
            tenant=section.tenant,
            user=section.user,
            password=section.password,
            token=section.token,
            ca=section.tls.ca,
            cert=section.tls.cert,
            key=section.tls.key,
            verify=section.tls.verify,
            timeout=section.timeout,
        )
        policy = LokiPolicy(
            project=app.project,
            window=round(section.window * 1000),
            delay=round(section.delay * 1000),
            overlap=section.overlap,
            catch_up=round(section.catch_up * 1000),
            reach=round(section.limits.range * 1000),
            series=section.limits.series,
            host=section.host,
            labels=section.labels,
        )
        return LokiSource(LokiClient(options, SystemClock()), app.log_rules, policy)
    from monitor.adapters.docker_logs.source import DockerLogSource  # noqa: PLC0415
    from monitor.adapters.docker_logs.transport import EngineHttp  # noqa: PLC0415

    return DockerLogSource(EngineHttp(app.engine.url), app.project, app.log_rules, follow=follow)


def make_poller(app: App) -> LogPoller:
    from monitor.adapters.state.logs import SqliteLogStore  # noqa: PLC0415
    from monitor.services.logmetrics.poller import LogPoller  # noqa: PLC0415

    return LogPoller(make_source(app, follow=True), SqliteLogStore(app.database))
