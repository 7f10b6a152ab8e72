"""What each service's container uses, for /metrics: measured beside the scrapes, never during one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.domain import names
from monitor.domain.containers import ContainerStats
from monitor.errors import BgmonError
from monitor.ports.deploys import DeployStore
from monitor.ports.engine import Engine

EVERY: Final = 10.0
COST: Final = 50  # measuring takes a fiftieth of the time at most, however many services there are


@dataclass(frozen=True, slots=True)
class _Use:
    service: str
    stats: ContainerStats
    cpus: float | None


class ContainerCollector(Collector):
    """A scrape gets the last measurement, and starts the next one when that is old."""

    def __init__(self, engine: Engine, deploys: DeployStore) -> None:
        self._engine = engine
        self._deploys = deploys
        self._uses: tuple[_Use, ...] = ()
        self._lock = threading.Lock()
        self._not_before = float("-inf")

    def collect(self) -> Iterator[Metric]:
        if time.monotonic() >= self._not_before and self._lock.acquire(blocking=False):
            threading.Thread(target=self._measure, name="container stats", daemon=True).start()
        memory = GaugeMetricFamily(
            names.METRIC_CONTAINER_MEMORY, "Bytes used, without the page cache.", labels=["service"]
        )
        limit = GaugeMetricFamily(
            names.METRIC_CONTAINER_MEMORY_LIMIT,
            "Bytes it may use; the host's memory without a limit.",
            labels=["service"],
        )
        cpu = CounterMetricFamily(
            names.METRIC_CONTAINER_CPU, "CPU seconds since the container's start.", labels=["service"]
        )
        cpus = GaugeMetricFamily(names.METRIC_CONTAINER_CPU_LIMIT, "Cores it may use.", labels=["service"])
        for use in self._uses:
            memory.add_metric([use.service], use.stats.memory)
            limit.add_metric([use.service], use.stats.memory_limit)
            cpu.add_metric([use.service], use.stats.cpu_seconds)
            if use.cpus is not None:
                cpus.add_metric([use.service], use.cpus)
        yield from (memory, limit, cpu, cpus)

    def _measure(self) -> None:
        """Takes the lock over from `collect`."""
        begun = time.monotonic()
        try:
            self._uses = tuple(self._used())
        except BgmonError:
            self._uses = ()  # absent is better than old
        finally:
            self._not_before = time.monotonic() + max(EVERY, COST * (time.monotonic() - begun))
            self._lock.release()

    def _used(self) -> Iterator[_Use]:
        for service in self._deploys.services():
            release = self._deploys.active(service)
            stats = self._engine.stats(release.container) if release is not None else None
            if release is not None and stats is not None:
                yield _Use(service, stats, release.spec.limits.cpus)
