"""Judging green against blue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.domain.containers import Container
from monitor.domain.deploy.bake import Traffic, baseline, between, regression
from monitor.domain.deploy.spec import BakePolicy
from monitor.domain.logs.requests import RequestWindow
from monitor.domain.proxy.routes import SlotCounters

RUNNING = Container(id="c", name="n", image="i", image_id="s", labels={}, state="running")
POLICY = BakePolicy(max_error_increase=0.05, min_requests=20)


def judged(**changes: object) -> str:
    given: dict[str, object] = {
        "container": RUNNING,
        "restarts_before": 0,
        "failed_probes": 0,
        "allowed_failures": 3,
        "blue_share": 0.0,
        "green": Traffic(100, 0),
    }
    return regression(changes.pop("policy", POLICY), **(given | changes))  # type: ignore[arg-type]


def test_a_green_that_does_well_stays() -> None:
    assert judged() == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"container": None}, "removed"),
        ({"container": replace(RUNNING, state="exited", exit_code=1)}, "exited with code 1"),
        ({"container": replace(RUNNING, state="exited", oom_killed=True)}, "memory"),
        ({"container": replace(RUNNING, restarts=1)}, "exited"),
        ({"container": replace(RUNNING, health="unhealthy")}, "unhealthy"),
        ({"failed_probes": 3}, "3 health probes"),
        ({"oom_kills": 2, "memory": 2**26}, "killed 2 processes in it for want of memory (its limit is 64 MiB)"),
        ({"green": Traffic(100, 6)}, "6.0% errors (6 of 100 requests), 0.0% before the swap"),
        ({"policy": replace(POLICY, max_error_rate=0.01), "green": Traffic(100, 2)}, "more than 1.0%"),
        (
            {
                "policy": replace(POLICY, max_p95=0.1),
                "window": RequestWindow({"200": 50}, {"0.1": 10, "1": 50, "+Inf": 50}),
            },
            "p95",
        ),
        (
            {"policy": replace(POLICY, max_error_rate=0.1), "window": RequestWindow({"200": 40, "503": 10})},
            "10 of 50 logged",
        ),
        (
            {"policy": replace(POLICY, max_events={"errors": 2}), "window": RequestWindow(events={"errors": 3})},
            "3 lines of its log are errors, more than 2",
        ),
    ],
)
def test_a_regression_is_named(changes: dict[str, object], why: str) -> None:
    assert why in judged(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"green": Traffic(19, 19)},  # too few requests to tell
        {"green": Traffic(100, 14), "blue_share": 0.10},  # no worse than blue was
        {"failed_probes": 2},
        {"container": replace(RUNNING, restarts=2), "restarts_before": 2},
        {"window": RequestWindow({"503": 5})},
        {
            "policy": replace(POLICY, max_events={"errors": 3}),
            "window": RequestWindow(events={"errors": 3, "other": 9}),
        },
    ],
)
def test_what_is_no_regression(changes: dict[str, object]) -> None:
    assert judged(**changes) == ""


def test_counters_that_began_again_count_whole() -> None:
    assert between(SlotCounters(1000, 10), SlotCounters(40, 3)) == Traffic(40, 3)
    assert between(SlotCounters(1000, 10), SlotCounters(1040, 13)) == Traffic(40, 3)
    assert between(None, SlotCounters(7, 1)) == Traffic(7, 1)


def test_the_baseline_prefers_recent_traffic_and_needs_enough_of_it() -> None:
    assert baseline(POLICY, Traffic(20, 10), Traffic(1000, 0)) == 0.5
    assert baseline(POLICY, Traffic(19, 19), Traffic(1000, 10)) == 0.01
    assert baseline(POLICY, Traffic(1, 1), Traffic(2, 2)) == 0.0
