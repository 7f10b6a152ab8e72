"""What one reading of bgmon.yml gives. A changed file gives another `Wiring`; this one never changes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from monitor.bootstrap.generation import Generation

if TYPE_CHECKING:
    from monitor.adapters.notify.messages import Messages
    from monitor.bootstrap.resources import Resources
    from monitor.config.schema import Config
    from monitor.domain.alerting.open_alerts import AlertPolicy
    from monitor.domain.deploy.spec import ServiceSpec
    from monitor.domain.jobs import Job
    from monitor.domain.logs.events import EventRule
    from monitor.domain.logs.rules import LogRule
    from monitor.domain.proxy.peering import Peering
    from monitor.domain.proxy.routes import ServiceRoute
    from monitor.ports.annotations import Annotations
    from monitor.ports.logs import LogSource
    from monitor.ports.notify import AlertSink, Channel
    from monitor.ports.proxy import Proxy


class Wiring:
    """Specs, the proxy's driver, log rules, channels: each made when first asked for.

    Args:
        config: what bgmon.yml says.
        resources: the project on this host.
    """

    def __init__(self, config: Config, resources: Resources) -> None:
        self.config = config
        self.resources = resources
        self.generation = Generation(config, resources.config_file)

    @cached_property
    def specs(self) -> dict[str, ServiceSpec]:
        """The policy of every service in bgmon.yml."""
        from monitor.config.compile import service_specs

        return service_specs(self.config)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every job of bgmon.yml."""
        from monitor.config.compile import jobs

        return jobs(self.config)

    def jobs_here(self) -> dict[str, Job]:
        """Those that this host runs."""
        from monitor.adapters.host.received import names_here
        from monitor.bootstrap.paths import default_root

        here = names_here(default_root(), self.config.project) if self.jobs else set()
        local = {name for name, section in self.config.hosts.items() if section.ssh is None}
        return {name: job for name, job in self.jobs.items() if job.is_run_by(here, local)}

    @cached_property
    def proxy_driver(self) -> Proxy:
        """The proxy's driver; nothing is started. The engine is reached only when the proxy runs in a container."""
        from monitor.adapters.haproxy.make import make_proxy

        return make_proxy(
            self.config.proxy,
            project=self.config.project,
            folder=self.resources.state_dir / "proxy",
            base=self.resources.folder,
            issued=self.resources.certificates,
            engine=lambda: self.resources.engine,
            own=self.resources.own,
            peers=self.peers,
        )

    @cached_property
    def peers(self) -> Peering | None:
        """The other hosts' proxies, as far as bgmon.yml has them and names this machine."""
        from monitor.adapters.host.received import names_here
        from monitor.bootstrap.paths import default_root
        from monitor.domain.proxy.peering import peering

        return peering(
            self.config.proxy.peer_port,
            self.config.addresses,
            {name: one.hosts for name, one in self.config.services.items() if one.internal is not None},
            names_here(default_root(), self.config.project),
        )

    def routes(self) -> list[ServiceRoute]:
        """What the proxy is to carry now: bgmon.yml, the recorded slots, and what a person decided."""
        from monitor.services.deploy.routing import routes_of

        return routes_of(self.specs.values(), self.resources.store)

    def proxy_config(self) -> str:
        """The proxy's configuration as it would be written now."""
        from monitor.adapters.haproxy.make import settings_of
        from monitor.render.haproxy import CONFIG, render

        return render(self.routes(), settings_of(self.config.proxy, self.peers)).files[CONFIG]

    @cached_property
    def messages(self) -> Messages:
        """The renderer of chat messages. Raises UsageError when notify.templates is no folder."""
        from monitor.adapters.notify import make_messages

        return make_messages(
            self.config.notify, project=self.config.project, host=self.resources.host, folder=self.resources.folder
        )

    def channels(self) -> list[Channel]:
        """Where messages go. Raises UsageError when notify.templates is no folder."""
        from monitor.adapters.notify import make_channels

        return make_channels(self.config.notify, self.messages, project=self.config.project, host=self.resources.host)

    def sink(self) -> AlertSink | None:
        """The Alertmanager that is kept up to date, where one is named."""
        from monitor.adapters.notify import make_sink

        return make_sink(self.config.notify, project=self.config.project, host=self.resources.host)

    def alert_policy(self) -> AlertPolicy:
        """How alerts are grouped, repeated and inhibited."""
        from monitor.domain.alerting.open_alerts import AlertPolicy

        needs = {name: service.depends_on for name, service in self.config.all_services.items()}
        return AlertPolicy(group=self.config.notify.group, repeat=self.config.notify.repeat, needs=needs)

    @cached_property
    def annotations(self) -> Annotations:
        """Who is told of deploys: Loki when logs come from it, Grafana when there is a token for it."""
        from monitor.adapters.grafana.annotations import HttpAnnotations
        from monitor.bootstrap.logs import loki_options

        logs, grafana = self.config.logs, self.config.generate.grafana
        return HttpAnnotations(
            self.config.project,
            self.resources.host,
            loki=loki_options(logs) if logs.source == "loki" else None,
            grafana=(grafana.url, grafana.token.get_secret_value()) if grafana.token else None,
        )

    @cached_property
    def log_rules(self) -> dict[str, LogRule]:
        """How each service's log is read; services without request metrics are missing."""
        from monitor.config.logcompile import log_rules

        return log_rules(self.config)

    @cached_property
    def event_rules(self) -> dict[str, EventRule]:
        """What is counted in the output of each service besides requests."""
        from monitor.config.logcompile import event_rules

        return event_rules(self.config)

    @cached_property
    def log_source(self) -> LogSource:
        """For commands, which look at a window of the log once. Raises UsageError when certificates cannot be read."""
        from monitor.bootstrap.logs import make_source

        return make_source(self.config, self.resources, self.log_rules, self.event_rules, follow=False)

    def close(self) -> None:
        """Let go of the log source, where it was used."""
        if "log_source" in vars(self):
            self.log_source.close()
