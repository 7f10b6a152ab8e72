"""What counts as a healthy answer."""

from __future__ import annotations

import pytest

from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer, describe, effective_policy, shortfall


@pytest.mark.parametrize(
    ("policy", "port", "healthcheck", "mode", "path"),
    [
        (HealthPolicy(path="/up"), 80, True, "http", "/up"),
        (HealthPolicy(), 80, True, "docker", "/health"),
        (HealthPolicy(), 80, False, "http", "/health"),
        (HealthPolicy(), None, False, "running", "/health"),
        (HealthPolicy(), None, True, "docker", "/health"),
        (HealthPolicy(mode="running"), 80, True, "running", "/health"),
    ],
)
def test_auto_is_decided_by_path_then_healthcheck_then_port(
    policy: HealthPolicy, port: int | None, healthcheck: bool, mode: str, path: str
) -> None:
    resolved = effective_policy(policy, port=port, healthcheck=healthcheck)
    assert (resolved.mode, resolved.path) == (mode, path)


@pytest.mark.parametrize(
    ("policy", "answer", "why"),
    [
        (HealthPolicy(), ProbeAnswer(200), ""),
        (HealthPolicy(), ProbeAnswer(204), "status 204 is not 200"),
        (HealthPolicy(status=("200-399",)), ProbeAnswer(302), ""),
        (HealthPolicy(status=("200", "204")), ProbeAnswer(500), "status 500 is not 200 or 204"),
        (HealthPolicy(), ProbeAnswer(0, error="connection refused"), "connection refused"),
        (HealthPolicy(body="ready"), ProbeAnswer(200, body="not yet"), "the body does not hold 'ready'"),
        (HealthPolicy(body="ready"), ProbeAnswer(200, body="all ready"), ""),
        (HealthPolicy(expect_headers={"X-Up": "1"}), ProbeAnswer(200, headers=(("x-up", "1"),)), ""),
        (HealthPolicy(expect_headers={"X-Up": "1"}), ProbeAnswer(200), "header X-Up is None, not '1'"),
    ],
)
def test_shortfall_says_why_an_answer_is_not_good(policy: HealthPolicy, answer: ProbeAnswer, why: str) -> None:
    assert shortfall(policy, answer) == why


def test_a_redirect_names_where_it_leads_and_what_to_do() -> None:
    why = shortfall(HealthPolicy(), ProbeAnswer(301, headers=(("location", "https://shop/health"),)))
    assert "https://shop/health" in why
    assert "health.headers.Host" in why


def test_describe_shows_only_the_first_line_of_a_body() -> None:
    assert describe(ProbeAnswer(500, body="boom\nsecond", seconds=0.0123)) == "500 in 12 ms: boom"
