"""Jobs, for /metrics: how their runs ended, how long the last one took, when the next one comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitor.adapters.counting import CountingCollector
from monitor.domain import names
from monitor.domain.deploy.tasks import TaskResult
from monitor.domain.jobs import JobView
from monitor.errors import BgmonError
from monitor.ports.totals import Totals

_LABELS = ["name"]


class JobsCollector(CountingCollector):
    """The jobs of this host as bgmon.yml has them now; one that never ran has its counters at 0."""

    def __init__(self, totals: Totals, views: Callable[[], Sequence[JobView]]) -> None:
        self._totals = totals
        self._views = views

    def collect(self) -> Iterator[Metric]:
        try:
            views = self._views()
        except BgmonError:
            views = []
        yield from self._counted(view.job.name for view in views)
        running = GaugeMetricFamily(names.METRIC_JOB_RUNNING, "1 while a run is under way.", labels=_LABELS)
        took = GaugeMetricFamily(names.METRIC_JOB_DURATION, "Seconds the last run took.", labels=_LABELS)
        good = GaugeMetricFamily(
            names.METRIC_JOB_LAST_SUCCESS, "When the last good run ended, unix time.", labels=_LABELS
        )
        well = GaugeMetricFamily(names.METRIC_JOB_SUCCESS, "1 when the last run ended well.", labels=_LABELS)
        planned = GaugeMetricFamily(names.METRIC_JOB_NEXT, "When the next run is planned, unix time.", labels=_LABELS)
        for view in views:
            name = [view.job.name]
            running.add_metric(name, view.running_since is not None)
            planned.add_metric(name, view.next_at)
            if view.last is not None and view.last.finished_at is not None:
                well.add_metric(name, view.last.result == "done")
                took.add_metric(name, view.last.finished_at - view.last.started_at)
            if view.last_good is not None and view.last_good.finished_at is not None:
                good.add_metric(name, view.last_good.finished_at)
        yield from (running, well, took, good, planned)

    def before(self) -> Iterator[Metric]:
        yield from self._counted(labels[0] for labels in self._totals.of(names.METRIC_JOB_RUNS))

    def _counted(self, jobs: Iterable[str]) -> Iterator[Metric]:
        known = sorted(set(jobs))
        ended, missed = self._totals.of(names.METRIC_JOB_RUNS), self._totals.of(names.METRIC_JOB_MISSED)
        runs = CounterMetricFamily(
            names.METRIC_JOB_RUNS, "Runs that ended, by result; each retry is one.", labels=["name", "result"]
        )
        late = CounterMetricFamily(
            names.METRIC_JOB_MISSED, "Planned runs that did not begin in time, or were left out.", labels=_LABELS
        )
        for name in known:
            for result in get_args(TaskResult):
                runs.add_metric([name, result], ended.get((name, result), 0.0))
            late.add_metric([name], missed.get((name,), 0.0))
        yield from (runs, late)
