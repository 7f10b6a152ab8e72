"""Collectors of what the daemon counts itself, and their series."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from copy import copy

from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A family's name, and labels without `le`: the buckets of a histogram share one fate."""


class CountingCollector(Collector):
    """Its counters and histograms grew from 0 under the daemon's eyes, so that each may be told as 0 first."""

    @abstractmethod
    def before(self) -> Iterator[Metric]:
        """All that has ever been counted, also of services that `collect` leaves out; nothing when it cannot say."""
        ...


class Shown(Collector):
    """Families that are at hand."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def series_of(family: Metric) -> Iterator[Series]:
    """The counters and histograms of a family; nothing for a gauge."""
    if family.type in ("counter", "histogram"):
        for sample in family.samples:
            yield _series(family, sample)


def from_zero(family: Metric, zeros: AbstractSet[Series]) -> Metric:
    """The family with 0 for these series."""
    if family.type not in ("counter", "histogram"):
        return family
    shown = copy(family)
    shown.samples = [
        sample._replace(value=0.0) if _series(family, sample) in zeros else sample for sample in family.samples
    ]
    return shown


def _series(family: Metric, sample: Sample) -> Series:
    return family.name, tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))
