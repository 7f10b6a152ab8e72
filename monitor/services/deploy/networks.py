"""The network on which services find each other."""

from __future__ import annotations

from monitor.domain.names import LABEL_PROJECT, services_network_name
from monitor.services.deploy.deps import DeployDeps


def introduce(deps: DeployDeps, service: str, container: str) -> None:
    """Let other services find it by the service's name. Safe to repeat; called again when the release is on record.

    The services' network is internal and joined only now: joining it moves no published port, and nobody resolves
    the name to a container that has not passed its gate. A project with one service has nobody who would ask, and
    therefore no such network; the service that comes second makes it, and takes the first one along.
    """
    engine, name = deps.engine, services_network_name(deps.project)
    network = engine.network(name)
    if network is None and deps.store.services() in ([], [service]):
        return
    engine.ensure_network(name, {LABEL_PROJECT: deps.project}, internal=True)
    there = network.members if network is not None else frozenset()
    # Looked up once the network is there: a release that is recorded later finds it, and joins by itself.
    actives = [(one, release.container) for one in deps.store.services() if (release := deps.store.active(one))]
    for other, ref in dict.fromkeys([(service, container), *((o, r) for o, r in actives if o != service)]):
        if ref not in there:
            _join(deps, name, other, ref)


def _join(deps: DeployDeps, network: str, service: str, container: str) -> None:
    state = deps.engine.inspect(container)
    if state is not None and network not in state.networks:
        deps.engine.connect(network, container, (service,))
