"""Request counters as Prometheus sees them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from monitor.adapters.prometheus.requests import FixedCollector, RequestCollector
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.rules import LogRule
from monitor.errors import StateError
from monitor.services.logmetrics.poller import SourceState

RULES = {"core": LogRule(buckets=(0.1, 0.25, 1.0)), "web": LogRule(buckets=(0.1,))}
CORE = Counts({"200": 5, "503": 1}, {"0.1": 3, "0.2": 1, "0.25": 1, "+Inf": 1}, 2_500_000_000, 9, 1, 2)


def rendered(state: SourceState, now: float = 100.0) -> str:
    registry = CollectorRegistry()
    registry.register(RequestCollector(lambda: state, lambda: now))
    return generate_latest(registry).decode()


STATE = SourceState("loki", up=True, polled_at=99.0, until=30.0, warnings=4, totals={"core": CORE}, rules=RULES)


def test_counters_histogram_and_source_are_told() -> None:
    lines = set(rendered(STATE).splitlines())
    assert {
        'bgmon_http_requests_total{code="200",service="core"} 5.0',
        'bgmon_http_requests_total{code="503",service="core"} 1.0',
        'bgmon_http_request_duration_seconds_bucket{le="0.1",service="core"} 3.0',
        'bgmon_http_request_duration_seconds_bucket{le="0.25",service="core"} 5.0',
        'bgmon_http_request_duration_seconds_bucket{le="1.0",service="core"} 5.0',
        'bgmon_http_request_duration_seconds_bucket{le="+Inf",service="core"} 6.0',
        'bgmon_http_request_duration_seconds_count{service="core"} 6.0',
        'bgmon_http_request_duration_seconds_sum{service="core"} 2.5',
        'bgmon_log_lines_total{service="core"} 9.0',
        'bgmon_log_lines_unparsed_total{service="core"} 1.0',
        'bgmon_log_source_up{source="loki"} 1.0',
        'bgmon_log_source_lag_seconds{source="loki"} 70.0',
        'bgmon_log_source_warnings_total{source="loki"} 4.0',
    } <= lines


def test_a_service_without_requests_is_there_from_the_start() -> None:
    """Else the first increase of a counter would be missed by rate()."""
    assert 'bgmon_log_lines_total{service="web"} 0.0' in rendered(STATE)


def test_events_begin_at_0_and_belong_to_services_without_requests_too() -> None:
    counts = Counts(events={"errors": 3, "gone": 1})
    lines = rendered(SourceState("docker", totals={"jobs": counts}, events={"jobs": ("errors", "late")})).splitlines()
    assert 'bgmon_log_events_total{event="errors",service="jobs"} 3.0' in lines
    assert 'bgmon_log_events_total{event="late",service="jobs"} 0.0' in lines
    assert not any("gone" in line for line in lines)
    assert not any(line.startswith("bgmon_http_requests_total{") for line in lines)


def test_a_service_that_left_the_configuration_is_no_longer_shown() -> None:
    assert "core" not in rendered(SourceState("docker", totals={"core": CORE}, rules={"web": RULES["web"]}))


def test_an_unreadable_state_costs_no_scrape() -> None:
    def broken() -> SourceState:
        raise StateError("disk full")

    registry = CollectorRegistry()
    registry.register(RequestCollector(broken, lambda: 0.0))
    assert generate_latest(registry) == b""


@pytest.mark.tools
def test_promtool_finds_nothing_to_say() -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is not installed: run `make setup`"
    done = subprocess.run(
        [promtool, "check", "metrics"], input=rendered(STATE), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_counts_at_hand_are_rendered_alike() -> None:
    registry = CollectorRegistry()
    registry.register(FixedCollector({"core": CORE}, RULES))
    assert set(generate_latest(registry).decode().splitlines()) < set(rendered(STATE).splitlines())
