"""Undoing a swap: blue serves, green goes. Called by a deploy that failed and by the recovery of a cut-off one."""

from __future__ import annotations

from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import other
from monitor.errors import ProxyError, ProxyUnreachable
from monitor.services.deploy.candidate import RESTART_POLICY, Candidate, discard
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.own import of_deploy
from monitor.services.deploy.traffic import TrafficControl, board_of

_LONGEST_DRAIN = 10.0  # green is known to be bad: its last requests get a chance, but not for long


def undo(deps: DeployDeps, spec: ServiceSpec, green: Candidate | None, blue: Release | None, *, switched: bool) -> None:
    """Safe to repeat.

    Args:
        deps: the ports.
        spec: green's spec.
        green: what was to come; None when nothing was made yet.
        blue: the release that served before, if any.
        switched: whether green may have got traffic.

    Raises:
        EngineUnreachable, EngineError: green could not be removed.
        StateError: the record could not be written; the proxy was told before.
    """
    if green is None:
        return
    traffic = TrafficControl(deps, spec)
    if switched:
        _back(deps, board_of(deps, spec, blue), spec, green, blue)
    container = of_deploy(deps, green)
    if container is not None:
        discard(deps.engine, deps.own, container.id, stop=spec.deploy.stop if switched else min(spec.deploy.stop, 3.0))
    try:
        traffic.close(green.color)
        if switched:
            traffic.save_config()
    except (ProxyUnreachable, ProxyError):
        if blue is None:
            return  # nothing serves either way


def _back(deps: DeployDeps, traffic: TrafficControl, spec: ServiceSpec, green: Candidate, blue: Release | None) -> None:
    if blue is None:
        traffic.close(green.color)
        return
    _revive(deps, blue)
    try:
        traffic.switch(other(green.color))
    except (ProxyUnreachable, ProxyError) as error:
        # The record says blue by now, and a proxy that starts goes by the record.
        deps.tell("warning", spec.name, f"the proxy could not be told ({error}); it starts with {blue.color}")
        return
    traffic.save_config()
    deps.tell("switched-back", spec.name, f"all new requests to {blue.color} again", color=blue.color)
    traffic.drained(green.color, min(spec.deploy.drain, _LONGEST_DRAIN))


def _revive(deps: DeployDeps, blue: Release) -> None:
    """Blue may have been retired already, or not be up yet after a reboot."""
    state = deps.engine.inspect(blue.container)
    if state is None:
        return
    if state.restart_policy != RESTART_POLICY:
        deps.engine.set_restart_policy(blue.container, RESTART_POLICY)
    if state.state in ("exited", "created"):
        deps.engine.start(blue.container)
