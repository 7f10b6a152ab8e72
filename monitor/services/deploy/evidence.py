"""What can be told of a container that does not do well: its last log lines, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from monitor import masking
from monitor.domain.containers import Container
from monitor.domain.deploy.gate import Gate
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.digits import digits
from monitor.domain.health.causes import kill_words
from monitor.errors import BgmonError
from monitor.ports.engine import Engine
from monitor.services.deploy.deps import DeployDeps

LOG_LINES: Final = 20
LONGEST_LINE: Final = 500  # characters
# What inits say that find another one above them: s6-overlay, systemd, runit.
_NOT_FIRST: Final = (
    "can only run as pid 1",
    "must be run as PID 1",
    "as a system manager",
    "must be run as process no 1",
)
_NOT_RUN: Final = (125, 126, 127)  # exit codes: the command was not found, or is no program


def log_tail(engine: Engine, container: str, *, lines: int = LOG_LINES) -> list[str]:
    """The last lines a container wrote, secrets masked before a line is cut; empty when they cannot be had."""
    try:
        raw = list(engine.logs(container, tail=lines))
    except BgmonError:
        return []  # evidence is welcome, and nothing waits for it
    text = masking.clean("\n".join(line.decode(errors="replace") for line in raw[-lines:]))
    return [line[:LONGEST_LINE] for line in text.split("\n")] if raw else []


def gate_hint(deps: DeployDeps, spec: ServiceSpec, gate: Gate, container: str, tail: Sequence[str]) -> str:
    """What to do about a candidate that did not pass its gate; empty where nothing is known.

    `tail` are its last log lines.
    """
    if spec.init and any(word in line for line in tail for word in _NOT_FIRST):
        return "its own init wants to be the first process: set `init: false` for this service"
    state = deps.engine.inspect(container)
    return _hint(deps, spec, gate, state) if state is not None else ""


def _hint(deps: DeployDeps, spec: ServiceSpec, gate: Gate, state: Container) -> str:
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
    if gate.answers and digits(gate.answers[-1][:3]):
        return f"health.path is {policy.path}, health.status {', '.join(policy.status)}: do they fit what it answers?"
    return (
        "does it listen on 0.0.0.0, not only on 127.0.0.1 inside the container? If it starts slowly, raise health.start"
    )


def _exit_hint(state: Container) -> str:
    if state.oom_killed:
        return "raise limits.memory"
    return "the command cannot be run in this image" if state.exit_code in _NOT_RUN else ""
