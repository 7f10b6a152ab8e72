"""Which log source, and what reads it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from monitor.adapters.loki.client import LokiOptions
    from monitor.bootstrap.resources import Resources
    from monitor.bootstrap.wiring import Wiring
    from monitor.config.logs import LogsSection
    from monitor.config.schema import Config
    from monitor.domain.logs.events import EventRule
    from monitor.domain.logs.requests import RequestWindow
    from monitor.domain.logs.rules import LogRule
    from monitor.ports.logs import LogSource
    from monitor.ports.requests import RequestStats
    from monitor.services.logmetrics.poller import LogPoller

log = logging.getLogger(__name__)

DOCKER_EVERY: Final = 5.0
LOKI_EVERY: Final = 15.0


def loki_options(section: LogsSection) -> LokiOptions:
    """How to reach Loki, with `source: loki`."""
    from monitor.adapters.loki.client import LokiOptions

    assert section.url is not None  # the schema says so
    return LokiOptions(
        url=section.url,
        tenant=section.tenant,
        user=section.user,
        password=section.password.get_secret_value() if section.password else None,
        token=section.token.get_secret_value() if section.token else None,
        ca=section.tls.ca,
        cert=section.tls.cert,
        key=section.tls.key,
        verify=section.tls.verify,
        timeout=section.timeout,
    )


def make_source(
    config: Config, resources: Resources, rules: Mapping[str, LogRule], events: Mapping[str, EventRule], *, follow: bool
) -> LogSource:
    """The source that bgmon.yml names. `follow`: for the daemon, which must not miss a removed container's last lines.

    Raises UsageError when certificates cannot be read.
    """
    section = config.logs
    if section.source == "loki":
        from monitor.adapters.host.clock import SystemClock
        from monitor.adapters.loki.client import LokiClient
        from monitor.adapters.loki.source import LokiPolicy, LokiSource

        policy = LokiPolicy(
            project=resources.project,
            window=round(section.window * 1000),
            delay=round(section.delay * 1000),
            overlap=section.overlap,
            catch_up=round(section.catch_up * 1000),
            reach=round(section.limits.range * 1000),
            series=section.limits.series,
            host=section.host,
            labels=section.labels,
            service_label=section.service_label,
        )
        return LokiSource(LokiClient(loki_options(section), SystemClock()), rules, policy, events)
    from monitor.adapters.docker.log_source.source import DockerLogSource
    from monitor.adapters.docker.log_source.transport import EngineHttp

    access_file = resources.state_dir / "proxy" / "access.log" if config.proxy.run == "process" else None
    return DockerLogSource(
        EngineHttp(resources.engine.url),
        resources.project,
        rules,
        resources.own.knows,
        follow=follow,
        access_file=access_file,
        events=events,
    )


def make_poller(wiring: Wiring) -> LogPoller:
    """For the daemon, which counts all lines; close it at the end."""
    from monitor.adapters.state.logs import SqliteLogStore
    from monitor.services.logmetrics.poller import LogPoller

    source = make_source(wiring.config, wiring.resources, wiring.log_rules, wiring.event_rules, follow=True)
    return LogPoller(source, SqliteLogStore(wiring.resources.database), wiring.log_rules, wiring.event_rules)


def request_stats(current: Callable[[], Wiring]) -> RequestStats:
    """Request metrics of any window, straight from the log."""
    from monitor.services.logmetrics.stats import LogRequestStats

    return LogRequestStats(lambda: current().log_source, lambda: (current().log_rules, current().event_rules))


class LogWatch:
    """The daemon's part: counts at every `poll`, follows changes of bgmon.yml, and tells Prometheus."""

    def __init__(self, current: Callable[[], Wiring]) -> None:
        self._wiring = current
        self._used: Wiring | None = None
        self._poller: LogPoller | None = None
        self._said = ""
        self._lock = threading.Lock()

    @property
    def every(self) -> float:
        """Seconds between polls."""
        section = self._wiring().config.logs
        return DOCKER_EVERY if section.source == "docker" else min(LOKI_EVERY, section.window)

    def poll(self) -> None:
        poller = self._current()
        report = poller.poll(time.time())
        said = "; ".join([*([report.error] if report.error else []), *report.warnings])
        if said and said != self._said:
            log.warning("logs: %s", said)
        self._said = said

    def window(self, services: Sequence[str], start: float, end: float) -> Mapping[str, RequestWindow]:
        """RequestStats out of what was counted lately."""
        return self._current().window(services, start, end)

    def collector(self) -> Collector:
        from monitor.adapters.prometheus.requests import RequestCollector

        return RequestCollector(lambda: self._current().state(), time.time)

    def close(self) -> None:
        if self._poller is not None:
            self._poller.close()

    def _current(self) -> LogPoller:
        """The poller for the configuration as it is now."""
        with self._lock:
            wiring = self._wiring()
            if self._poller is None or self._used is not wiring:
                self.close()
                self._used = wiring
                self._poller = make_poller(wiring)
            return self._poller
