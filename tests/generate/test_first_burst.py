"""The first requests of a service, as real Prometheus servers see them: none is lost, and nobody asking is no NaN."""

from __future__ import annotations

import contextlib
import http.server
import math
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from monitor.adapters.prometheus.api import PrometheusApi
from monitor.adapters.prometheus.exposition import Exposition, HistoryCollector
from monitor.adapters.prometheus.requests import RequestCollector
from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.adapters.state.db import Database
from monitor.adapters.state.deploys import SqliteDeployStore
from monitor.adapters.state.totals import SqliteTotals
from monitor.config.boards import load_boards
from monitor.domain import names
from monitor.domain.boards.board import Panel, Query
from monitor.domain.deploy.records import DeployRecord
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.rules import LogRule
from monitor.render.grafana.board import ready_boards
from monitor.services.logmetrics.poller import SourceState
from tests.support.boards import shop_site
from tests.support.prometheus import prometheus
from tests.support.wait import wait_until

_ALL: Final = "15m"
"""Longer than the test takes on a busy machine: what a shorter window forgets meanwhile, it cannot find."""

pytestmark = [pytest.mark.tools, pytest.mark.xdist_group("first-burst")]


class Daemon:
    """The metrics side of a daemon, with counts that a test adds to."""

    def __init__(self, folder: Path) -> None:
        self.counts = {"core": Counts(), "idle": Counts()}
        rules = {name: LogRule() for name in self.counts}
        state = SourceState("docker", up=True, until=time.time(), totals=self.counts, rules=rules)
        self.database = Database(folder / "state.db")
        self.totals, deploys = SqliteTotals(self.database), SqliteDeployStore(self.database)
        deploys.begin(DeployRecord("d1", "core", "deploy", "i", "v1", "me", time.time()))
        self.exposition = Exposition(
            [
                RequestCollector(lambda: state, time.time),
                HistoryCollector(self.totals, deploys, SqliteAlertStore(self.database)),
            ]
        )

    def handle(self, request: http.server.BaseHTTPRequestHandler) -> None:
        agent = request.headers.get("User-Agent", "")
        text = self.exposition.render(f"{request.client_address[0]} {agent}")
        request.send_response(200)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)


@contextlib.contextmanager
def serving(daemon: Daemon) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            daemon.handle(self)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def value(api: PrometheusApi, expr: str) -> float | None:
    panel = Panel(title="value", description="Of a query.", type="stat")
    found = api.ask(panel, Query(expr=expr, instant=True), time.time() - 60, time.time(), 1)
    return found[0].values[-1] if found else None


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    made = Daemon(tmp_path_factory.mktemp("daemon"))
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def servers(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[PrometheusApi]]:
    """Two Prometheus servers on one machine: the daemon cannot tell one from the other."""
    with serving(daemon) as target, contextlib.ExitStack() as stack:
        apis = [
            PrometheusApi(
                stack.enter_context(prometheus(tmp_path_factory.mktemp(name), target=target, every="2s")), scrape=2
            )
            for name in ("first", "second")
        ]
        for api in apis:
            stack.callback(api.close)
            # Several scrapes, so that each has the 0 of what is there from the start.
            wait_until(lambda api=api: (value(api, "count_over_time(up[1m])") or 0) > 4, timeout=60, what="scrapes")  # type: ignore[misc]
        yield apis


def test_nothing_is_nan_where_nobody_asks(servers: list[PrometheusApi]) -> None:
    """Every panel of every board; the counters of a quiet day are all there, and 0."""
    now = time.time()
    broken = [
        f"{panel.title}: {query.expr}"
        for ready in ready_boards(load_boards(), shop_site())
        for panel in ready.panels
        for query in panel.queries
        if query.source == "prometheus"
        for series in servers[0].ask(panel, query, now - 60, now, 60)
        if any(math.isnan(each) for each in series.values)
    ]
    assert not broken, "\n".join(broken)
    for metric, label in (
        (names.METRIC_REQUESTS, 'service="idle",code="503"'),
        (names.METRIC_RESTARTS, 'service="core",reason="docker"'),
        (names.METRIC_EXITS, 'service="core",cause="oom"'),
        (names.METRIC_OOM_KILLS, 'service="core"'),
        (names.METRIC_DEPLOYS, 'service="core",result="failed"'),
    ):
        assert value(servers[0], f"sum(increase({metric}{{{label}}}[1m]))") == 0, metric


def says(api: PrometheusApi, query: str, wanted: float) -> bool:
    return value(api, query) == wanted


def grew(api: PrometheusApi, query: str, about: float) -> bool:
    return bool(value(api, query) == pytest.approx(about, rel=0.35))


def test_the_first_burst_of_any_code_and_the_first_of_any_kind_is_seen_by_all(
    servers: list[PrometheusApi], daemon: Daemon
) -> None:
    daemon.counts["core"].add(Counts(codes={"200": 1000, "503": 50, "418": 50}, buckets={"0.1": 1100}, lines=1100))
    daemon.totals.add(names.METRIC_EXITS, ("core", "oom"))
    daemon.totals.add(names.METRIC_RESTARTS, ("core", "a reason of a later version"), 3)
    for api in servers:
        # `increase` estimates beyond the samples, by less and less as more of them come in.
        for metric, label, least in (
            (names.METRIC_REQUESTS, 'code="503"', 50),
            (names.METRIC_REQUESTS, 'code="418"', 50),
            (f"{names.METRIC_DURATION}_count", 'service="core"', 1100),
            (names.METRIC_EXITS, 'cause="oom"', 1),
            (names.METRIC_RESTARTS, 'reason=~"a reason.*"', 3),
        ):
            query = f"max_over_time(sum({metric}{{{label}}})[{_ALL}:1s]) - min_over_time(sum({metric}{{{label}}})[{_ALL}:1s])"
            wait_until(partial(says, api, query, least), timeout=30, what=query)
            grown = f"sum(increase({metric}{{{label}}}[{_ALL}]))"
            wait_until(
                partial(grew, api, grown, least),
                timeout=30,
                what=grown,
            )
