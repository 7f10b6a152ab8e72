"""When certificates end, for /metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.domain import names
from monitor.domain.certificates import CertificateState
from monitor.errors import BgmonError

_LABELS = ["name", "service", "source"]


class CertificatesCollector(Collector):
    """One series for each certificate that can be read; what cannot is told by the daemon's alerts."""

    def __init__(self, states: Callable[[], Sequence[CertificateState]]) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:
        end = GaugeMetricFamily(names.METRIC_CERTIFICATE_EXPIRY, "When a certificate ends, unix time.", labels=_LABELS)
        life = GaugeMetricFamily(
            names.METRIC_CERTIFICATE_LIFETIME, "Seconds from a certificate's beginning to its end.", labels=_LABELS
        )
        try:
            states = self._states()
        except BgmonError:
            states = []
        for state in states:
            if state.facts is not None:
                labels = [state.name, state.service, state.source]
                end.add_metric(labels, state.facts.not_after)
                life.add_metric(labels, state.facts.lifetime)
        yield end
        yield life
