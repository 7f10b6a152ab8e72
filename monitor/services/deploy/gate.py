"""Waiting at the gate until the candidate may take traffic."""

from __future__ import annotations

from typing import Final

from monitor import masking
from monitor.domain.containers import Container
from monitor.domain.deploy.gate import Gate, observe, pause
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import HealthPolicy, ServiceSpec
from monitor.domain.health.oom import OOM_LATE
from monitor.domain.health.probing import ProbeAnswer, effective_policy
from monitor.errors import GateFailed
from monitor.services.deploy.candidate import Candidate
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.evidence import gate_hint, log_tail

_SIGKILLED: Final = 137
_LOOK_AGAIN: Final = 0.1  # seconds


def policy_for(deps: DeployDeps, spec: ServiceSpec, image_id: str) -> HealthPolicy:
    """How the health of a container of that image is told."""
    image = deps.engine.image(image_id)
    return effective_policy(spec.health, port=spec.port, healthcheck=image is not None and image.healthcheck)


def pass_gate(
    deps: DeployDeps,
    spec: ServiceSpec,
    policy: HealthPolicy,
    *,
    container: str,
    at: Candidate | Release,
) -> None:
    """Return when the candidate, which is reached `at` its address and port, is healthy.

    Raises:
        GateFailed: it is not, with its last answers, its last log lines and a hint.
    """
    gate = Gate(policy, began=deps.clock.monotonic())
    shown: tuple[str, ...] = ()
    while gate.verdict == "wait":
        if deps.cancelled():
            raise GateFailed("interrupted while waiting for the candidate's health")
        state = _inspect(deps, spec, container)
        # Health pages like to name the database they cannot reach, password and all.
        gate = observe(gate, state, _ask(deps, policy, state, at), deps.clock.monotonic(), masking.clean)
        if gate.answers[-1:] != shown[-1:]:
            shown = gate.answers
            deps.tell("gate", spec.name, f"health: {gate.answers[-1]}", answer=gate.answers[-1])
        if gate.verdict == "wait":
            deps.clock.sleep(pause(gate, deps.clock.monotonic()))
    if gate.verdict == "fail":
        raise _failure(deps, spec, gate, container)


def _inspect(deps: DeployDeps, spec: ServiceSpec, container: str) -> Container | None:
    """The container; for one that was killed beside a memory limit, once the engine has had the time to say why."""
    until = deps.clock.monotonic() + OOM_LATE
    while True:
        state = deps.engine.inspect(container)
        limited = spec.limits.memory is not None and state is not None and state.state == "exited"
        if not limited or state is None or state.oom_killed or state.exit_code != _SIGKILLED:
            return state
        if deps.clock.monotonic() >= until:
            return state
        deps.clock.sleep(_LOOK_AGAIN)


def _ask(
    deps: DeployDeps, policy: HealthPolicy, state: Container | None, at: Candidate | Release
) -> ProbeAnswer | None:
    if policy.mode != "http" or state is None or at.port is None:
        return None
    if not state.running:
        return ProbeAnswer(status=0, error=f"the container is {state.state}")
    if not state.has(at.address):  # somebody else may answer there
        return ProbeAnswer(status=0, error=f"the container does not have the address {at.address}")
    return deps.prober.probe(at.address, at.port, policy)


def _failure(deps: DeployDeps, spec: ServiceSpec, gate: Gate, container: str) -> GateFailed:
    lines = [f"the candidate did not get healthy: {gate.reason}"]
    if gate.answers:
        lines += ["  last answers:", *(f"  | {answer}" for answer in gate.answers)]
    tail = log_tail(deps.engine, container)
    if tail:
        lines += ["  its last log lines:", *(f"  | {line}" for line in tail)]
    return GateFailed("\n".join(lines), hint=gate_hint(deps, spec, gate, container, tail))
