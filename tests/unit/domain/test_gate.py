"""The health gate's decisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.domain.containers import CheckResult, Container
from monitor.domain.deploy.gate import CONFIRM, Gate, observe, pause
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer, effective_policy

RUNNING = Container(id="c", name="n", image="i", image_id="s", labels={}, state="running")
GOOD = ProbeAnswer(status=200, body="ok", seconds=0.01)
BAD = ProbeAnswer(status=500, body="no", seconds=0.01)


def gate(**changes: object) -> Gate:
    policy = effective_policy(replace(HealthPolicy(path="/health"), **changes), port=3000, healthcheck=False)  # type: ignore[arg-type]
    return Gate(policy, began=100.0)


def test_passes_after_enough_good_answers_in_a_row() -> None:
    seen = observe(gate(successes=2), RUNNING, GOOD, 100.1)
    assert seen.verdict == "wait"
    assert observe(seen, RUNNING, GOOD, 100.2).verdict == "pass"


def test_a_bad_answer_in_between_starts_the_row_anew() -> None:
    seen = observe(gate(successes=2), RUNNING, GOOD, 100.1)
    seen = observe(seen, RUNNING, BAD, 100.2)
    seen = observe(seen, RUNNING, GOOD, 100.3)
    assert seen.verdict == "wait"
    assert seen.streak == 1


def test_fails_when_start_has_passed_and_keeps_the_last_answers() -> None:
    seen = observe(gate(start=5.0), RUNNING, BAD, 104.0)
    seen = observe(seen, RUNNING, ProbeAnswer(status=0, error="connection refused"), 105.0)
    assert seen.verdict == "fail"
    assert "within 5 s" in seen.reason
    assert seen.answers[0].startswith("500 in 10 ms: no (status 500 is not 200)")
    assert seen.answers[1].startswith("connection refused")


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        (None, "removed"),
        (replace(RUNNING, state="exited", exit_code=3), "exited with code 3"),
        (replace(RUNNING, state="exited", exit_code=137, oom_killed=True), "limits.memory"),
        (replace(RUNNING, state="paused"), "paused"),
        (replace(RUNNING, state="dead", exit_code=1, error="no such file"), "no such file"),
    ],
)
def test_a_container_that_is_lost_fails_at_once(container: Container | None, reason: str) -> None:
    seen = observe(gate(), container, None, 100.0)
    assert seen.verdict == "fail"
    assert reason in seen.reason


@pytest.mark.parametrize(("health", "verdict"), [("starting", "wait"), ("healthy", "pass"), ("unhealthy", "fail")])
def test_docker_mode_takes_dockers_word(health: str, verdict: str) -> None:
    seen = observe(gate(mode="docker"), replace(RUNNING, health=health), None, 100.1)  # type: ignore[arg-type]
    assert seen.verdict == verdict


def test_docker_mode_shows_the_output_of_the_check_once_for_each_that_differs() -> None:
    failing = replace(RUNNING, health="starting", check=CheckResult(1, "wget: error 503\nis the database up?\n"))
    seen = observe(gate(mode="docker"), replace(RUNNING, health="starting"), None, 100.1)
    for moment in (100.2, 100.3):
        seen = observe(seen, failing, None, moment)
    seen = observe(seen, replace(failing, health="unhealthy", check=CheckResult(-1, "")), None, 100.4)
    assert seen.verdict == "fail"
    assert seen.answers == (
        "Docker's health check says starting",
        "Docker's health check says starting (exit code 1: wget: error 503 / is the database up?)",
        "Docker's health check says unhealthy (exit code -1, without output)",
    )


def test_docker_mode_without_a_healthcheck_fails_and_says_so() -> None:
    assert "HEALTHCHECK" in observe(gate(mode="docker"), RUNNING, None, 100.0).reason


def test_running_mode_passes_once_it_stayed_up_long_enough() -> None:
    seen = observe(gate(mode="running", settle=5.0), RUNNING, None, 104.9)
    assert seen.verdict == "wait"
    assert observe(seen, RUNNING, None, 105.0).verdict == "pass"


def test_a_decided_gate_refuses_to_look_again() -> None:
    passed = observe(gate(successes=1), RUNNING, GOOD, 100.0)
    with pytest.raises(ValueError, match="decided already"):
        observe(passed, RUNNING, GOOD, 100.1)


def test_polls_quickly_at_first_then_slower_and_never_past_the_deadline() -> None:
    at = gate(start=60.0, interval=1.0)
    assert pause(at, 100.0) == 0.02
    assert pause(at, 101.0) == 0.1
    assert pause(replace(at, streak=1), 100.0) == CONFIRM
    assert pause(at, 111.0) == 1.0
    assert pause(at, 159.75) == 0.25
    assert pause(at, 161.0) == 0.001  # rounding may leave the deadline a hair ahead
