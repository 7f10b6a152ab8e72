"""Routes are the same ones to Loki and to us, and stay few."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from monitor.adapters.host.clock import SystemClock
from monitor.adapters.loki.client import LokiClient, LokiOptions
from monitor.adapters.loki.source import LokiPolicy, LokiSource
from monitor.adapters.prometheus.requests import FixedCollector
from monitor.domain.logs.counts import Counts, RouteCounts
from monitor.domain.logs.parse import AccessParser, LineParser
from monitor.domain.logs.routes import route_of, route_problem
from monitor.domain.logs.rules import LogRule
from tests.logs.test_same_meaning import AT, EXAMPLES
from tests.support.loglines import ROUTED, lines_for
from tests.support.miniloki import MiniLoki

ACCESS = LogRule(ignore=("/health",), routes=("/users/:id", "/static/*"), method="method")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/users/7", "/users/:id"),
        ("/users/7/", "/users/:id"),
        ("/users/7/x", "other"),
        ("/users/", "other"),
        ("/static/a/b.css", "/static/*"),
        ("/staticx", "other"),
        ("", "other"),
    ],
)
def test_the_route_of_a_path(path: str, route: str) -> None:
    assert route_of(("/users/:id", "/static/*"))(path) == route


def test_routes_are_few_and_are_paths() -> None:
    assert route_problem(tuple(f"/{n}" for n in range(101))) == "101 routes, 100 are allowed"
    assert "no route" in route_problem(("users",))
    assert "twice" in route_problem(("/a", "/a"))
    assert route_problem(tuple(f"/{n}" for n in range(100))) == ""


def test_the_proxys_log_is_counted_by_route_and_method() -> None:
    line = b'{"service":"core","method":"%s","path":"%s","status":%s,"duration_us":1000}'
    lines = [
        line % (b"GET", b"/users/7?x=1", b"200"),
        line % (b"GET", b"/users/8", b"500"),
        line % (b"BREW", b"/nowhere", b"404"),
        line % (b"GET", b"/health", b"200"),
    ]
    found: dict[str, Counts] = {}
    AccessParser({"core": ACCESS}).count(lines, found)
    assert found["core"].codes == {"200": 1, "500": 1, "404": 1}
    assert found["core"].routes == {
        "GET /users/:id": RouteCounts({"200": 1, "500": 1}, {"0.005": 2}, 2_000_000),
        "other other": RouteCounts({"404": 1}, {"0.005": 1}, 1_000_000),
    }
    registry = CollectorRegistry()
    registry.register(FixedCollector(found, {"core": ACCESS}))
    text = generate_latest(registry).decode()
    assert 'bgmon_http_requests_total{code="500",method="GET",route="/users/:id",service="core"} 1.0' in text
    assert 'bgmon_http_requests_total{code="503",route="other",service="core"} 0.0' in text
    assert 'duration_seconds_count{method="GET",route="/users/:id",service="core"} 2.0' in text


@pytest.mark.tools
@pytest.mark.parametrize("name", ROUTED)
def test_both_forms_count_by_the_same_routes(loki: MiniLoki, name: str) -> None:
    rule = ROUTED[name]
    source = LokiSource(LokiClient(LokiOptions(loki.url), SystemClock()), {"s": rule}, LokiPolicy("p"))
    labels = {"project": "p", "kind": rule.kind, "service": "s"}

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(lines_for(rule), min_size=1, max_size=25))
    def check(lines: list[bytes]) -> None:
        loki.push([(labels, AT - n, line) for n, line in enumerate(lines)], reset=True)
        expected = Counts()
        LineParser(rule).count(lines, expected)
        told = source.window(["s"], AT / 1e9 - 60, AT / 1e9)["s"]
        assert (told.codes, told.buckets, told.lines) == (expected.codes, expected.buckets, expected.lines)
        seen, known = ({k: (r.codes, r.buckets) for k, r in c.routes.items()} for c in (told, expected))
        assert seen == known

    check()
    source.close()
