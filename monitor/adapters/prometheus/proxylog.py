"""Access log lines that the proxy could not write, for /metrics: what reads its log counts too few requests then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.domain import names


class ProxyLogCollector(Collector):
    """The proxy's own counter, told as it is: it begins at 0 with each start and reload, as Prometheus expects.

    Args:
        lost: how many lines were lost; None when the proxy was not asked yet, and nothing is told.
    """

    def __init__(self, lost: Callable[[], int | None]) -> None:
        self._lost = lost

    def collect(self) -> Iterator[Metric]:
        lost = self._lost()
        if lost is not None:
            text = "Access log lines that the proxy could not write."
            yield CounterMetricFamily(names.METRIC_PROXY_LOG_LOST, text, value=lost)
