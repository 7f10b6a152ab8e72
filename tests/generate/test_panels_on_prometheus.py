"""The query of every panel, asked of a real Prometheus that scrapes every metric of a daemon."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest

from monitor.adapters.prometheus_api import PrometheusApi
from monitor.config.boards import load_boards
from monitor.domain import names
from monitor.domain.boards import Panel, Query
from monitor.domain.watch import STATES
from monitor.errors import SourceError, SourceUnreachable
from monitor.render.grafana.board import ready_boards
from tests.support.boards import shop_site
from tests.support.ports import free_port
from tests.support.prometheus import prometheus
from tests.support.sample_shop import Exporter
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
