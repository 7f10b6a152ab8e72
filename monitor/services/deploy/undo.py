"""Undoing a swap: blue serves, green goes. Called by a deploy that failed and by the recovery of a cut-off one."""

from __future__ import annotations

from monitor.domain.names import other
from monitor.domain.records import Release
from monitor.domain.spec import ServiceSpec
from monitor.errors import ProxyError, ProxyUnreachable
from monitor.services.deploy.green import RESTART_POLICY, Green, discard
from monitor.services.deploy.own import of_deploy
from monitor.services.deploy.parts import Parts
from monitor.services.deploy.switchboard import Switchboard, board_of

_LONGEST_DRAIN = 10.0  # green is known to be bad: its last requests get a chance, but not for long


def undo(parts: Parts, spec: ServiceSpec, green: Green | None, blue: Release | None, *, switched: bool) -> None:
    """Safe to repeat.

    Args:
        parts: the ports.
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
    board = Switchboard(parts, spec)
    if switched:
        _back(parts, board_of(parts, spec, blue), spec, green, blue)
    container = of_deploy(parts, green)
    if container is not None:
        discard(
            parts.engine, parts.own, container.id, stop=spec.deploy.stop if switched else min(spec.deploy.stop, 3.0)
        )
    try:
        board.close(green.color)
        if switched:
            board.persist()
    except (ProxyUnreachable, ProxyError):
        if blue is None:
            return  # nothing serves either way


def _back(parts: Parts, board: Switchboard, spec: ServiceSpec, green: Green, blue: Release | None) -> None:
    if blue is None:
        board.close(green.color)
        return
    _revive(parts, blue)
    try:
        board.switch(other(green.color))
    except (ProxyUnreachable, ProxyError) as error:
        # The record says blue by now, and a proxy that starts goes by the record.
        parts.tell("warning", spec.name, f"the proxy could not be told ({error}); it starts with {blue.color}")
        return
    board.persist()
    parts.tell("switched-back", spec.name, f"all new requests to {blue.color} again", color=blue.color)
    board.drained(green.color, min(spec.deploy.drain, _LONGEST_DRAIN))


def _revive(parts: Parts, blue: Release) -> None:
    """Blue may have been retired already, or not be up yet after a reboot."""
    state = parts.engine.inspect(blue.container)
    if state is None:
        return
    if state.restart_policy != RESTART_POLICY:
        parts.engine.set_restart_policy(blue.container, RESTART_POLICY)
    if state.state in ("exited", "created"):
        parts.engine.start(blue.container)
