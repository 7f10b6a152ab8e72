"""From an image reference to the candidate's container: pulled, given an address, created, started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.deploy.swap import Step
from monitor.domain.names import Color
from monitor.errors import Conflict
from monitor.services.deploy.candidate import Candidate, create
from monitor.services.deploy.deps import DeployDeps, DeployRequest
from monitor.services.deploy.images import fetch
from monitor.services.deploy.journal import Journal
from monitor.services.deploy.traffic import TrafficControl

_PORT_TRIES: Final = 5


def pull(deps: DeployDeps, request: DeployRequest, journal: Journal, color: Color, *, architecture: str) -> Candidate:
    """The candidate, without a port or a container yet. Raises PullFailed."""
    spec = replace(request.spec, image=request.image)
    journal.note("pull", {"image": request.image})
    with journal.timed("pull"):
        image = fetch(
            deps,
            spec.name,
            request.pinned or request.image,
            request.pull,
            architecture=architecture,
            shown=request.image,
        )
    return Candidate(
        deploy=journal.record.id,
        service=spec.name,
        color=color,
        version=request.version,
        image=request.image,
        pinned=image.pinned,
        image_id=image.id,
        port=None,
        spec=spec,
        recorded=True,
    )


class Launcher:
    """Makes one candidate's container, elsewhere where a stranger takes the address or port that was chosen.

    Args:
        deps: the ports.
        spec: the candidate's spec.
        journal: of the deploy.
        secrets: the candidate's environment besides `spec.env`.
        noted: called each time a place was chosen and written down.
    """

    def __init__(
        self,
        deps: DeployDeps,
        spec: ServiceSpec,
        journal: Journal,
        secrets: Mapping[str, str],
        noted: Callable[[], None],
    ) -> None:
        self._deps = deps
        self._spec = spec
        self._journal = journal
        self._secrets = secrets
        self._noted = noted
        self._taken: frozenset[str | int] = frozenset()

    def create(self, candidate: Candidate, *, step: Step = "create") -> tuple[Candidate, str]:
        """The container, not started; `step` is the journal's, where that has got further than creating it.

        Raises:
            Conflict: its name is taken.
            EngineError: there is no free address, or the engine says no.
        """
        deps = self._deps
        candidate = TrafficControl(deps, self._spec).reserve(candidate, avoid=self._taken)
        self._journal.note(step, candidate.note())
        self._noted()
        return candidate, create(deps, candidate, self._spec, self._secrets)

    def start(self, candidate: Candidate, container: str, *, step: Step = "create") -> tuple[Candidate, str]:
        """Start it; elsewhere, in another container, where its address or port was taken since it was chosen.

        Raises:
            Conflict: every one tried was taken.
            EngineError: it cannot be started.
        """
        deps = self._deps
        for _ in range(_PORT_TRIES - 1):
            try:
                deps.engine.start(container)
            except Conflict:
                place = taken_meanwhile(deps, candidate, container)
                if place is None:
                    raise
                what = "address" if candidate.network else "port"
                text = f"{what} {place} was taken by another program; trying another"
                deps.tell("warning", candidate.service, text)
                deps.own.remove(container)
                self._taken |= {place}
                candidate, container = self.create(candidate, step=step)
            else:
                return candidate, container
        deps.engine.start(container)
        return candidate, container


def taken_meanwhile(deps: DeployDeps, candidate: Candidate, container: str) -> str | int | None:
    """The address or port of a candidate that did not start, when somebody else has it by now."""
    if candidate.network:
        network = deps.engine.network(candidate.network)
        holder = network.holders.get(candidate.address) if network is not None else None
        return candidate.address if holder not in (None, container) else None
    if candidate.port is None or deps.host.port_free(candidate.port):
        return None
    return candidate.port
