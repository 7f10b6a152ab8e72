"""Undoing a swap: the active release serves, the candidate goes.

Called by a deploy that failed and by the recovery of a cut-off one.
"""

from __future__ import annotations

from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import other
from monitor.errors import ProxyError, ProxyUnreachable
from monitor.services.deploy.candidate import RESTART_POLICY, Candidate, discard
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.own import of_deploy
from monitor.services.deploy.traffic import TrafficControl, traffic_of

_LONGEST_DRAIN = 10.0  # seconds; the candidate is known to be bad: its last requests get a chance, but not for long


def undo(
    deps: DeployDeps, spec: ServiceSpec, candidate: Candidate | None, active: Release | None, *, switched: bool
) -> None:
    """Safe to repeat.

    Args:
        deps: the ports.
        spec: the candidate's spec.
        candidate: what was to come; None when nothing was made yet.
        active: the release that served before, if any.
        switched: whether the candidate may have got traffic.

    Raises:
        EngineUnreachable, EngineError: the candidate could not be removed.
        StateError: the record could not be written; the proxy was told before.
    """
    if candidate is None:
        return
    traffic = TrafficControl(deps, spec)
    if switched:
        _back(deps, traffic_of(deps, spec, active), spec, candidate, active)
    container = of_deploy(deps, candidate)
    if container is not None:
        discard(deps.engine, deps.own, container.id, stop=spec.deploy.stop if switched else min(spec.deploy.stop, 3.0))
    try:
        traffic.close(candidate.color)
        if switched:
            traffic.save_config()
    except (ProxyUnreachable, ProxyError):
        if active is None:
            return  # nothing serves either way


def _back(
    deps: DeployDeps, traffic: TrafficControl, spec: ServiceSpec, candidate: Candidate, active: Release | None
) -> None:
    if active is None:
        traffic.close(candidate.color)
        return
    _revive(deps, active)
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
