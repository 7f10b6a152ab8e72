"""How this host gets at the project's containers, and where on which network a slot's container is to be."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network

from monitor.domain.containers import Network
from monitor.domain.names import LABEL_PROJECT, network_name, slots_network_name
from monitor.errors import BgmonError, Conflict, EngineError
from monitor.services.deploy.deps import DeployDeps


@dataclass(frozen=True, slots=True)
class Reach:
    """By the containers' addresses on `network`, or by published ports where that is None; `why` is for people."""

    network: Network | None
    why: str


def ready_network(deps: DeployDeps) -> None:
    """Have the network that every container of the project joins from its start. Raises EngineError, Conflict."""
    _ensure(deps, network_name(deps.project))


def ready_reach(deps: DeployDeps) -> Reach:
    """Have the networks ready for another container.

    Raises:
        EngineError, Conflict: a network cannot be made, or `proxy.reach: address` is asked for and there is no way.
    """
    ready_network(deps)
    reach = look(deps)
    if reach.network is not None and not reach.network.chosen:
        # Made by an earlier version or a person: the engine gives out no address at wish there.
        _ensure(deps, slots_network_name(deps.project))
        reach = look(deps)
    if reach.network is None and deps.reach == "address":
        raise EngineError(
            f"proxy.reach is address, but {reach.why}",
            hint="set proxy.reach to auto, or proxy.subnet where the subnet is in use elsewhere",
        )
    return reach


def look(deps: DeployDeps) -> Reach:
    """How it is now; nothing is changed. Raises EngineError."""
    if deps.reach == "port":
        return Reach(None, "proxy.reach is port")
    network = deps.engine.network(network_name(deps.project))
    if network is not None and not network.chosen:
        network = deps.engine.network(slots_network_name(deps.project)) or network
    if network is None or not network.subnets:
        return Reach(None, f"there is no network {network_name(deps.project)} yet: the first deploy makes it")
    problem = deps.host.way_to(str(IPv4Network(network.subnets[0])[-2]), network.bridge)
    if problem:
        return Reach(None, f"{problem} ({network.name}, {network.subnets[0]})")
    return Reach(network, f"the bridge of network {network.name} ({network.subnets[0]}) is on this host")


def holders(deps: DeployDeps) -> Mapping[str, str]:
    """Running containers by their addresses on the project's networks; empty when the engine does not say."""
    found: dict[str, str] = {}
    with suppress(BgmonError):
        for name in (network_name(deps.project), slots_network_name(deps.project)):
            network = deps.engine.network(name)
            found.update(network.holders if network is not None else {})
    return found


def _ensure(deps: DeployDeps, name: str) -> None:
    labels = {LABEL_PROJECT: deps.project}
    if deps.subnet is None or name != network_name(deps.project):
        deps.engine.ensure_network(name, labels, avoid=[subnet for subnet, _ in deps.host.routes()])
        return
    if deps.engine.network(name) is None:
        wanted = IPv4Network(deps.subnet)
        for subnet, interface in deps.host.routes():
            if wanted.overlaps(IPv4Network(subnet)):
                raise Conflict(
                    f"proxy.subnet {wanted} overlaps with {subnet}, which this host reaches by {interface}",
                    hint="choose another proxy.subnet in bgmon.yml",
                )
    deps.engine.ensure_network(name, labels, subnet=deps.subnet)
