"""The query of every panel, asked of a real Prometheus that scrapes every metric of a daemon."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.adapters.host.machine import HostCollector
from monitor.adapters.prometheus.api import PrometheusApi
from monitor.adapters.prometheus.exposition import Exposition, HistoryCollector, PeersCollector, StatusCollector
from monitor.adapters.prometheus.jobs import JobsCollector
from monitor.adapters.prometheus.requests import FixedCollector
from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.adapters.state.db import Database
from monitor.adapters.state.deploys import SqliteDeployStore
from monitor.adapters.state.totals import SqliteTotals
from monitor.config.boards import load_boards
from monitor.domain import names
from monitor.domain.boards.board import Panel, Query
from monitor.domain.deploy.records import DeployRecord, Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.deploy.tasks import TaskRun
from monitor.domain.health.watch import STATES
from monitor.domain.jobs import Job, JobView
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.rules import LogRule
from monitor.errors import SourceError, SourceUnreachable
from monitor.render.grafana.board import ready_boards
from monitor.testing.status import FakePeers, FakeStatus, sample, sample_peers
from tests.support.boards import shop_site
from tests.support.ports import free_port
from tests.support.prometheus import prometheus
from tests.support.sample_shop import Exporter, SampleShop
from tests.support.wait import wait_until

pytestmark = pytest.mark.tools

BOARDS = {ready.name: ready for ready in ready_boards(load_boards(), shop_site())}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusApi]:
    port = free_port()
    exporter = Exporter(port)
    with prometheus(tmp_path_factory.mktemp("prometheus"), target=f"127.0.0.1:{port}") as url:
        client = PrometheusApi(url, scrape=1.0)
        panel, query = (
            Panel(title="t", description="d"),
            Query(expr="increase(bgmon_restarts_total[1h]) > 0", instant=True),
        )
        try:
            wait_until(
                lambda: client.ask(panel, query, 0, time.time(), 1), timeout=40, what="the last incident of the story"
            )
            yield client
        finally:
            client.close()
            exporter.close()


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_has_data(api: PrometheusApi, name: str) -> None:
    now = time.time()
    empty = [
        f"{panel.title}: {query.expr}"
        for panel in BOARDS[name].panels
        for query in panel.queries
        if query.source == "prometheus" and not _values(api, panel, query, now)
    ]
    assert not empty, "\n".join(empty)


def _values(api: PrometheusApi, panel: Panel, query: Query, now: float) -> list[float]:
    return [value for series in api.ask(panel, query, now - 60, now, 60) for value in series.values]


def test_the_sample_has_the_labels_of_the_daemon(tmp_path: Path) -> None:
    """Else panels might have data here that they never get."""
    now = time.time()
    database = Database(tmp_path / "state.db")
    totals = SqliteTotals(database)
    totals.add(names.METRIC_RESTARTS, ("core", "exited"))
    totals.add(names.METRIC_EXITS, ("core", "oom"))
    totals.add(names.METRIC_DEPLOYS, ("core", "deployed"))
    deploys = SqliteDeployStore(database)
    deploys.begin(DeployRecord("d1", "core", "deploy", "i", "v1", "me", now))
    release = Release(
        "d1", "core", "green", "v1", "i", "sha256:1", "sha256:2", None, "c1", ServiceSpec("core", "i"), now
    )
    deploys.finish("d1", "deployed", at=now, timings={}, release=release)
    rule = LogRule()
    job = Job("report", "core", ("report",), "@hourly")
    run = TaskRun("r1", "job", "report", "core", "v1", ("report",), "me", now - 9, finished_at=now, result="done")
    counts = Counts(codes={"200": 1}, buckets={"+Inf": 1})
    real = Exposition(
        [
            StatusCollector(FakeStatus(sample(now))),
            HistoryCollector(totals, deploys, SqliteAlertStore(database)),
            PeersCollector(FakePeers(sample_peers(now))),
            HostCollector(("/",)),
            JobsCollector(totals, lambda: [JobView(job, now + 60, None, run, run)]),
            FixedCollector({"core": counts}, {"core": rule}),
        ]
    )
    theirs = _labels(real.render().decode())
    ours = _labels(SampleShop(now - 60, now).text())
    assert len(set(theirs) & set(ours)) > 20
    assert {name: labels for name, labels in ours.items() if name in theirs and theirs[name] != labels} == {}


def _labels(text: str) -> dict[str, set[str]]:
    """Label names by metric."""
    found = re.findall(r"^(\w+)(?:\{(.*)\})? ", text, re.MULTILINE)
    return {name: set(re.findall(r'(\w+)="', labels)) for name, labels in found}


def test_the_boards_ask_for_every_metric_there_is() -> None:
    asked = "\n".join(query.expr for ready in BOARDS.values() for panel in ready.panels for query in panel.queries)
    metrics = {value for name, value in vars(names).items() if name.startswith("METRIC_")}
    assert {metric for metric in metrics if metric not in asked} == {names.METRIC_MAINTENANCE}


def test_the_state_on_the_board_is_the_state_in_the_metrics(api: PrometheusApi) -> None:
    state = next(panel for panel in BOARDS["search"].panels if panel.title == "State")
    (series,) = api.ask(state, state.queries[0], time.time() - 5, time.time(), 5)
    assert STATES[int(series.last or -1)] == "healthy"


def test_shares_and_objectives_are_between_nothing_and_all(api: PrometheusApi) -> None:
    now = time.time()
    seen = 0
    for ready in BOARDS.values():
        for panel in ready.panels:
            if panel.unit == "percentunit" and panel.type in ("timeseries", "stat"):
                values = [value for query in panel.queries for value in _values(api, panel, query, now)]
                seen += len(values)
                assert all(-1e-9 <= value <= 1 + 1e-9 for value in values if math.isfinite(value)), panel.title
    assert seen


def test_a_wrong_query_and_a_wrong_address_are_told_apart(api: PrometheusApi) -> None:
    panel = Panel(title="t", description="d")
    with pytest.raises(SourceError, match="parse error"):
        api.ask(panel, Query(expr="sum("), 0, 60, 10)
    dead = PrometheusApi(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SourceUnreachable, match="does not answer"):
        dead.ask(panel, Query(expr="up"), 0, 60, 10)
    dead.close()
