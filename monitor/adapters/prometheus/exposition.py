"""/metrics: what the daemon knows, collected from ports when asked, and rendered at most every few seconds.

Nothing is registered for each service: collectors yield what is there now, so a series goes when its service does.
Counters of the daemon's own begin at 0 (adapters.firstzero); those that the kernel counts are told as they are.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from monitor import __version__
from monitor.adapters.counting import CountingCollector, Series, Shown, from_zero, series_of
from monitor.adapters.firstzero import FirstZeros
from monitor.domain import names
from monitor.domain.deploy.records import RESULTS
from monitor.domain.health.causes import EXIT_LABELS
from monitor.domain.health.facts import RESTART_REASONS
from monitor.domain.health.status import ServiceView, StatusSnapshot
from monitor.domain.health.watch import STATES
from monitor.errors import BgmonError
from monitor.ports.deploys import DeployStore
from monitor.ports.notify import AlertStore
from monitor.ports.status import StatusSource
from monitor.ports.totals import Totals
from monitor.ports.web import PeersSource

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
FRESH: Final = 2.0


class StatusCollector(Collector):
    """Services and the host's state out of the status snapshot."""

    def __init__(self, source: StatusSource, now: Callable[[], float] = time.time) -> None:
        self._source = source
        self._now = now

    def collect(self) -> Iterator[Metric]:
        snapshot = self._source.snapshot(self._now())
        yield from _services(snapshot.services)
        yield GaugeMetricFamily(names.METRIC_ENGINE_UP, "1 while the Docker engine answers.", value=snapshot.engine_up)
        yield GaugeMetricFamily(names.METRIC_PROXY_UP, "1 while the proxy answers.", value=snapshot.proxy_up)
        yield _firing(snapshot)


def _services(services: Sequence[ServiceView]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        names.METRIC_SERVICE_STATE, "1 for the state the service is in, 0 for the others.", labels=["service", "state"]
    )
    info = GaugeMetricFamily(
        names.METRIC_SERVICE_INFO, "What runs now; always 1.", labels=["service", "color", "version"]
    )
    success = GaugeMetricFamily(
        names.METRIC_PROBE_SUCCESS, "1 when the last health probe was good.", labels=["service"]
    )
    duration = GaugeMetricFamily(names.METRIC_PROBE_DURATION, "Seconds the last health probe took.", labels=["service"])
    maintenance = GaugeMetricFamily(
        names.METRIC_MAINTENANCE, "1 while the maintenance page is shown.", labels=["service"]
    )
    budget = GaugeMetricFamily(
        names.METRIC_RESTART_BUDGET, "Restarts left before the service is quarantined.", labels=["service"]
    )
    for service in services:
        for known in STATES:
            state.add_metric([service.name, known], service.state == known)
        info.add_metric([service.name, service.color, service.version], 1)
        maintenance.add_metric([service.name], service.maintenance)
        last = service.history[-1] if service.history else None
        good = service.probe_ok if service.probe_ok is not None else (last.failures == 0 if last else None)
        seconds = service.probe_seconds if service.probe_seconds is not None else (last.latency if last else None)
        if good is not None:
            success.add_metric([service.name], good)
        if seconds is not None:
            duration.add_metric([service.name], seconds)
        if service.budget is not None:
            budget.add_metric([service.name], service.budget)
    yield from (state, info, success, duration, maintenance, budget)


def _firing(snapshot: StatusSnapshot) -> Metric:
    firing = GaugeMetricFamily(names.METRIC_ALERTS_FIRING, "Alerts that fire now.", labels=["severity"])
    for severity in ("page", "ticket", "info"):
        firing.add_metric([severity], sum(1 for condition in snapshot.firing if condition.severity == severity))
    return firing


# Metric, what it counts, its label beside `service`, and the values of that label: each is told from the start.
_TOTALS: Final[tuple[tuple[str, str, str, tuple[str, ...]], ...]] = (
    (names.METRIC_DEPLOYS, "Deploys that ended, by result.", "result", RESULTS),
    (names.METRIC_RESTARTS, "Restarts and other acts of healing, by reason.", "reason", RESTART_REASONS),
    (names.METRIC_EXITS, "Containers that ended by themselves, by cause.", "cause", EXIT_LABELS),
    (names.METRIC_OOM_KILLS, "Processes the kernel killed for want of memory in running containers.", "", ()),
)


class HistoryCollector(CountingCollector):
    """Totals that never fall, and the last deploy of each service."""

    def __init__(self, totals: Totals, deploys: DeployStore, alerts: AlertStore) -> None:
        self._totals = totals
        self._deploys = deploys
        self._alerts = alerts

    def collect(self) -> Iterator[Metric]:
        # A service that is new may have nothing but failed deploys; one that was removed takes its series along.
        known = {*self._deploys.services(), *(record.service for record in self._deploys.deploys(limit=200))}
        yield from self._counted(known)
        yield from self._last_deploys(sorted(known))

    def before(self) -> Iterator[Metric]:
        gone = {labels[0] for name, *_ in _TOTALS for labels in self._totals.of(name)}
        yield from self._counted({*self._deploys.services(), *gone})

    def _counted(self, services: Iterable[str]) -> Iterator[Metric]:
        every = sorted(services)
        for name, text, label, values in _TOTALS:
            family = CounterMetricFamily(name, text, labels=["service", *([label] if label else [])])
            pairs = itertools.product(every, values) if label else ((service,) for service in every)
            counts: dict[tuple[str, ...], float] = dict.fromkeys(pairs, 0.0)
            for labels, value in {**counts, **self._totals.of(name)}.items():
                if labels[0] in every:
                    family.add_metric(labels, value)
            yield family
        sent = CounterMetricFamily(names.METRIC_ALERTS_SENT, "Alert messages, by result of a try.", labels=["result"])
        for result, count in self._alerts.sent().items():
            sent.add_metric([result], count)
        yield sent

    def _last_deploys(self, services: Iterable[str]) -> Iterator[Metric]:
        duration = GaugeMetricFamily(names.METRIC_DEPLOY_DURATION, "Seconds the last deploy took.", labels=["service"])
        at = GaugeMetricFamily(names.METRIC_LAST_DEPLOY, "When the last deploy ended, unix time.", labels=["service"])
        for service in services:
            for record in self._deploys.deploys(service, limit=1):
                if record.finished_at is not None:
                    duration.add_metric([service], record.finished_at - record.started_at)
                    at.add_metric([service], record.finished_at)
        yield duration
        yield at


class PeersCollector(Collector):
    def __init__(self, peers: PeersSource) -> None:
        self._peers = peers

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(names.METRIC_PEER_UP, "1 while the other host's daemon answers.", labels=["peer"])
        for view in self._peers.views():
            if view.up is not None:
                up.add_metric([view.name], view.up)
        yield up


class BuildCollector(Collector):
    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(names.METRIC_BUILD_INFO, "bgmon itself; always 1.", labels=["version"])
        info.add_metric([__version__], 1)
        yield info


class Exposition:
    """The text of /metrics; rendering is done by one thread at a time and kept for `FRESH` seconds."""

    def __init__(self, collectors: Sequence[Collector], now: Callable[[], float] = time.monotonic) -> None:
        self._collectors = (ProcessCollector(registry=None), BuildCollector(), *collectors)
        self._now = now
        self._lock = threading.Lock()
        self._zeros = FirstZeros[Series]()
        self._unasked = [collector for collector in collectors if isinstance(collector, CountingCollector)]
        self._families: list[tuple[Metric, bool]] = []
        self._series: set[Series] = set()
        self._text = b""
        self._at = float("-inf")
        self._ask_before()

    def render(self, scraper: str = "") -> bytes:
        """Blocking: 10 ms for a thousand series.

        Args:
            scraper: who asks, in any words that tell one from the other.
        """
        with self._lock:
            now = self._now()
            if now - self._at > FRESH:
                self._collect()
                self._at = now
            zeros = self._zeros.zeros(scraper, now, self._series)
            if not zeros:
                if not self._text:
                    self._text = generate_latest(Shown([family for family, _ in self._families]))
                return self._text
            shown = [from_zero(family, zeros) if ours else family for family, ours in self._families]
            return generate_latest(Shown(shown))

    def _collect(self) -> None:
        self._ask_before()
        families: list[tuple[Metric, bool]] = []
        for collector in self._collectors:
            # What cannot be compared with before is told as it is: a 0 in the wrong place counts everything again.
            ours = isinstance(collector, CountingCollector) and collector not in self._unasked
            families += [(family, ours) for family in collector.collect()]
        self._families, self._text = families, b""
        self._series = {key for family, ours in families if ours for key in series_of(family)}

    def _ask_before(self) -> None:
        """What was counted before anybody asked. A collector that cannot say is asked again with the next scrape."""
        still: list[CountingCollector] = []
        for collector in self._unasked:
            try:
                families = list(collector.before())
            except BgmonError:
                families = []
            self._zeros.know(key for family in families for key in series_of(family))
            if not families:
                still.append(collector)
        self._unasked = still
