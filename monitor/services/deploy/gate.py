"""Waiting at the gate, and explaining a green that did not pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from monitor.domain.containers import Container
from monitor.domain.deploy.gate import Gate, observe, pause
from monitor.domain.deploy.spec import HealthPolicy, ServiceSpec
from monitor.domain.health.causes import kill_words
from monitor.domain.health.oom import OOM_LATE
from monitor.domain.health.probing import LOOPBACK, ProbeAnswer, effective_policy
from monitor.domain.mask import mask
from monitor.errors import BgmonError, GateFailed
from monitor.services.deploy.deps import DeployDeps

_LOG_LINES: Final = 20
_LONGEST_LINE: Final = 500
_SIGKILLED: Final = 137
_LOOK_AGAIN: Final = 0.1
# What inits say that find another one above them: s6-overlay, systemd, runit.
_NOT_FIRST: Final = (
    "can only run as pid 1",
    "must be run as PID 1",
    "as a system manager",
    "must be run as process no 1",
)


def policy_for(deps: DeployDeps, spec: ServiceSpec, image_id: str) -> HealthPolicy:
    image = deps.engine.image(image_id)
    return effective_policy(spec.health, port=spec.port, healthcheck=image is not None and image.healthcheck)


def pass_gate(
    deps: DeployDeps,
    spec: ServiceSpec,
    policy: HealthPolicy,
    *,
    container: str,
    port: int | None,
    secrets: Mapping[str, str],
) -> None:
    """Return when green is healthy.

    Raises:
        GateFailed: it is not, with its last answers, its last log lines and a hint.
    """
    gate = Gate(policy, began=deps.clock.monotonic())
    shown: tuple[str, ...] = ()
    while gate.verdict == "wait":
        if deps.cancelled():
            raise GateFailed("interrupted while waiting for green's health")
        state = _inspect(deps, spec, container)
        gate = observe(gate, state, _ask(deps, policy, state, port), deps.clock.monotonic())
        # Health pages like to name the database they cannot reach, password and all.
        gate = replace(gate, answers=tuple(mask(answer, secrets.values()) for answer in gate.answers))
        if gate.answers[-1:] != shown[-1:]:
            shown = gate.answers
            deps.tell("gate", spec.name, f"health: {gate.answers[-1]}", answer=gate.answers[-1])
        if gate.verdict == "wait":
            deps.clock.sleep(pause(gate, deps.clock.monotonic()))
    if gate.verdict == "fail":
        raise _failure(deps, spec, gate, container, secrets)


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


def _ask(deps: DeployDeps, policy: HealthPolicy, state: Container | None, port: int | None) -> ProbeAnswer | None:
    if policy.mode != "http" or state is None or port is None:
        return None
    if not state.running:
        return ProbeAnswer(status=0, error=f"the container is {state.state}")
    return deps.prober.probe(LOOPBACK, port, policy)


def _failure(deps: DeployDeps, spec: ServiceSpec, gate: Gate, container: str, secrets: Mapping[str, str]) -> GateFailed:
    lines = [f"green did not get healthy: {gate.reason}"]
    if gate.answers:
        lines += ["  last answers:", *(f"  | {answer}" for answer in gate.answers)]
    tail = log_tail(deps, container, secrets)
    if tail:
        lines += ["  its last log lines:", *(f"  | {line}" for line in tail)]
    if spec.init and any(word in line for line in tail for word in _NOT_FIRST):
        hint = "its own init wants to be the first process: set `init: false` for this service"
    else:
        hint = _hint(deps, spec, gate, container)
    return GateFailed("\n".join(lines), hint=hint)


def log_tail(deps: DeployDeps, container: str, secrets: Mapping[str, str]) -> list[str]:
    """The last lines a container wrote, secrets masked; empty when they cannot be had."""
    try:
        lines = list(deps.engine.logs(container, tail=_LOG_LINES))
    except BgmonError:
        return []
    return [mask(line.decode(errors="replace"), secrets.values())[:_LONGEST_LINE] for line in lines]


def _hint(deps: DeployDeps, spec: ServiceSpec, gate: Gate, container: str) -> str:
    state = deps.engine.inspect(container)
    if state is None:
        return ""
    kills = deps.engine.oom_kills(state)
    if kills:
        cure = "raise limits.memory" if spec.limits.memory else "the host has too little of it"
        return f"{kill_words(kills, spec.limits.memory)}: {cure}"
    if gate.policy.mode != "http":
        return ""
    if state.running and spec.port is not None:
        listening = deps.host.listening_ports(state.pid)
        if listening and spec.port not in listening:
            ports = ", ".join(str(port) for port in listening)
            return f"nothing listens on port {spec.port} inside the container, but on {ports}: correct `port`"
        return _policy_hint(gate)
    return _exit_hint(state)


def _policy_hint(gate: Gate) -> str:
    policy = gate.policy
    if gate.answers and gate.answers[-1][:3].isdigit():
        return f"health.path is {policy.path}, health.status {', '.join(policy.status)}: do they fit what it answers?"
    return (
        "does it listen on 0.0.0.0, not only on 127.0.0.1 inside the container? If it starts slowly, raise health.start"
    )


def _exit_hint(state: Container) -> str:
    if state.oom_killed:
        return "raise limits.memory"
    return "the command cannot be run in this image" if state.exit_code in (125, 126, 127) else ""
