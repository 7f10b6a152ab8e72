"""Undoing a swap: the active release serves, the candidate goes.

Called by a deploy that failed and by the recovery of a cut-off one.
"""

from __future__ import annotations

from dataclasses import replace

from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import other
from monitor.errors import GateFailed, ProxyError, ProxyUnreachable
from monitor.services.deploy.candidate import RESTART_POLICY, Candidate, discard
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.gate import pass_gate, policy_for
from monitor.services.deploy.own import of_deploy
from monitor.services.deploy.traffic import TrafficControl, traffic_of

_SHORT_STOP = 3.0  # seconds; nobody has sent it anything
_LONGEST_DRAIN = 10.0  # seconds; the candidate is known to be bad: its last requests get a chance, but not for long


def undo(
    deps: DeployDeps,
    spec: ServiceSpec,
    candidate: Candidate | None,
    active: Release | None,
    *,
    switched: bool,
    held: bool = False,
) -> None:
    """Safe to repeat.

    Args:
        deps: the ports.
        spec: the candidate's spec.
        candidate: what was to come; None when nothing was made yet.
        active: the release that served before, if any.
        switched: whether the candidate may have got traffic.
        held: whether requests wait and the active container may be stopped: it comes back once the candidate is gone.

    Raises:
        EngineUnreachable, EngineError: the candidate could not be removed.
        StateError: the record could not be written; the proxy was told before.
    """
    if candidate is None:
        return
    traffic = TrafficControl(deps, spec)
    if switched and not held:
        _back(deps, traffic_of(deps, spec, active), spec, candidate, active)
    container = of_deploy(deps, candidate)
    if container is not None:
        stop = spec.deploy.stop if switched else min(spec.deploy.stop, _SHORT_STOP)
        discard(deps.engine, deps.own, container.id, stop=stop)
    if held:  # the two cannot run at once
        _back(deps, traffic_of(deps, spec, active), spec, candidate, active, held=True)
    try:
        traffic.close(candidate.color)
        if switched or held:
            traffic.save_config()
    except (ProxyUnreachable, ProxyError):
        if active is None:
            return  # nothing serves either way


def _back(
    deps: DeployDeps,
    traffic: TrafficControl,
    spec: ServiceSpec,
    candidate: Candidate,
    active: Release | None,
    *,
    held: bool = False,
) -> None:
    if active is None:
        traffic.close(candidate.color)
        return
    _revive(deps, active)
    if held:
        _await_health(deps, active)
    try:
        traffic.switch(other(candidate.color))
    except (ProxyUnreachable, ProxyError) as error:
        # The record says so by now, and a proxy that starts goes by the record.
        deps.tell("warning", spec.name, f"the proxy could not be told ({error}); it starts with {active.color}")
        return
    traffic.save_config()
    deps.tell("switched-back", spec.name, f"traffic moved back to {active.color}", color=active.color)
    traffic.drained(candidate.color, min(spec.deploy.drain, _LONGEST_DRAIN))


def _revive(deps: DeployDeps, active: Release) -> None:
    """The active container may have been retired already, or not be up yet after a reboot."""
    state = deps.engine.inspect(active.container)
    if state is None:
        return
    if state.restart_policy != RESTART_POLICY:
        deps.engine.set_restart_policy(active.container, RESTART_POLICY)
    if state.state in ("exited", "created"):
        deps.engine.start(active.container)


def _await_health(deps: DeployDeps, active: Release) -> None:
    """Let it get ready before it gets the requests that wait; not longer than they may."""
    spec = active.spec
    policy = policy_for(deps, spec, active.image_id)
    try:
        pass_gate(
            replace(deps, cancelled=lambda: False),
            spec,
            replace(policy, start=min(policy.start, spec.deploy.wait)),
            container=active.container,
            at=active,
        )
    except GateFailed as error:
        deps.tell("warning", active.service, f"{active.color} was started again: {str(error).partition(chr(10))[0]}")
