"""The output of a HEALTHCHECK, as the engine has it: masked before anybody cuts it or joins its lines."""

from __future__ import annotations

from typing import Any

from monitor import masking
from monitor.adapters.docker.decode import container
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.causes import check_words
from monitor.domain.health.threshold import by_engine

SECRET = "first-half-of-it\nsecond-half-of-it"


def inspected(output: str, code: int = 1) -> dict[str, Any]:
    health = {"Status": "unhealthy", "Log": [{"ExitCode": 0, "Output": "ok"}, {"ExitCode": code, "Output": output}]}
    return {
        "Id": "abc",
        "Name": "/core",
        "Image": "sha256:1",
        "State": {"Status": "running", "Running": True, "ExitCode": 0, "Health": health},
        "Config": {"Image": "a", "Labels": {}},
        "HostConfig": {},
    }


def test_a_secret_where_it_is_cut_and_over_two_lines_is_not_shown() -> None:
    masking.learn({"TOKEN": SECRET})
    for before in ("", "x" * 285, "x" * 290):  # 297 characters are shown
        policy = HealthPolicy(mode="docker")
        found = container(inspected(f"{before} {SECRET}"))
        verdict = by_engine(found, policy, 0.0)
        assert verdict is not None
        for shown in (check_words("unhealthy", found.check), verdict.detail):
            assert "exit code 1" in shown
            assert "first-half" not in shown
            assert "second-half" not in shown


def test_without_an_output_the_exit_code_is_told() -> None:
    assert check_words("unhealthy", container(inspected("", 137)).check).endswith("(exit code 137, without output)")
