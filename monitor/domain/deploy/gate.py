"""The health gate: whether green may take traffic.

A pure fold over what was seen of green. It waits until `successes` good answers came in a row (or Docker says healthy,
or it stayed up long enough), and fails when green exits, when Docker gives it up, or when `start` has passed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from monitor.domain.containers import Container
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.causes import check_words
from monitor.domain.health.probing import Clean, ProbeAnswer, as_it_is, describe, shortfall

# How often it is asked: many services are up in a moment, most within seconds, and nobody wants a log full of probes.
PACES: Final = ((1.0, 0.02), (10.0, 0.1))  # until so many seconds have passed: seconds between two looks
CONFIRM: Final = 0.01  # after a good answer, the ones that must follow it are asked for at once
_KEPT_ANSWERS: Final = 5

GateResult = Literal["wait", "pass", "fail"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What was seen so far. `began` is in the unit of `now`; `answers` are the last ones that differed."""

    policy: HealthPolicy
    began: float
    streak: int = 0
    answers: tuple[str, ...] = ()
    last: str = ""
    verdict: GateResult = "wait"
    reason: str = ""


def observe(
    gate: Gate, container: Container | None, answer: ProbeAnswer | None, now: float, clean: Clean = as_it_is
) -> Gate:
    """The gate after one look at the container and, with a policy by HTTP, one answer of its endpoint.

    `clean` takes secrets out of what is kept of the answer.
    """
    if gate.verdict != "wait":
        raise ValueError(f"the gate has decided already: {gate.verdict}")
    died = _death(container)
    if died:
        return replace(gate, verdict="fail", reason=died)
    assert container is not None
    gate = _streak(gate, container, answer, now, clean)
    if gate.verdict == "wait" and now - gate.began >= gate.policy.start:
        return replace(gate, verdict="fail", reason=_too_late(gate))
    return gate


_LEAST: Final = 0.001  # seconds; rounding may leave the deadline a hair ahead of now


def pause(gate: Gate, now: float) -> float:
    """Seconds until the next look: quick at first, then the policy's interval, never past the deadline."""
    pace = next((every for until, every in PACES if now - gate.began < until), None)
    wait = gate.policy.interval if pace is None else CONFIRM if gate.streak else pace
    return max(_LEAST, min(wait, gate.began + gate.policy.start - now))


def _death(container: Container | None) -> str:
    if container is None:
        return "the container was removed by somebody else"
    if container.oom_killed and not container.running:
        return "the container was killed for using more memory than limits.memory allows"
    if container.state in ("exited", "dead"):
        return f"the container exited with code {container.exit_code}" + (
            f": {container.error}" if container.error else ""
        )
    if container.state == "paused":
        return "the container was paused by somebody else"
    return ""


def _streak(gate: Gate, container: Container, answer: ProbeAnswer | None, now: float, clean: Clean) -> Gate:
    policy = gate.policy
    if policy.mode == "docker":
        if container.health is None:
            return replace(gate, verdict="fail", reason="health.mode is docker, but the image has no HEALTHCHECK")
        verdicts: dict[str, GateResult] = {"healthy": "pass", "unhealthy": "fail", "starting": "wait"}
        verdict = verdicts[container.health]
        said = clean(check_words(container.health, container.check))
        answers = gate.answers if said == gate.last else (*gate.answers, said)[-_KEPT_ANSWERS:]
        reason = "Docker's health check says unhealthy" if verdict == "fail" else ""
        return replace(gate, verdict=verdict, reason=reason, answers=answers, last=said)
    if policy.mode == "running":
        return replace(gate, verdict="pass") if now - gate.began >= policy.settle else gate
    assert answer is not None
    missing = shortfall(policy, answer, clean)
    line = describe(answer, clean) + (f" ({missing})" if missing and answer.status else "")
    kind = describe(replace(answer, seconds=0.0), clean)  # how long each took makes no other answer
    answers = gate.answers if kind == gate.last else (*gate.answers, line)[-_KEPT_ANSWERS:]
    streak = 0 if missing else gate.streak + 1
    return replace(
        gate, answers=answers, last=kind, streak=streak, verdict="pass" if streak >= policy.successes else "wait"
    )


def _too_late(gate: Gate) -> str:
    waited = f"within {gate.policy.start:g} s"
    if gate.policy.mode == "http":
        return f"no {gate.policy.successes} good answers in a row from {gate.policy.path} {waited}"
    return f"not healthy {waited}"
