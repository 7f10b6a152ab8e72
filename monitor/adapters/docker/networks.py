"""Networks and the names containers have on them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any, Final

import docker.errors
import requests
from docker.types import IPAMConfig, IPAMPool

from monitor.adapters.docker.client import Connection
from monitor.adapters.docker.errors import explain, says_pools_exhausted
from monitor.adapters.docker.subnets import choices, pools_of, subnets_of
from monitor.domain.containers import Network
from monitor.domain.names import LABEL_POOL, LABEL_PROJECT
from monitor.errors import Conflict, EngineError, NotFound

_NO_ADDRESS: Final = "user specified IP address is supported only"
_OVERLAPS: Final = ("overlaps with other one", "networks have overlapping ipv4")
_BRIDGE_NAME: Final = "com.docker.network.bridge.name"
_LONGEST_HALVED: Final = 28  # a smaller subnet has too few addresses to be divided
_TRIES: Final = 5
_NAMED: Final = 8  # networks that an error names
_ensuring: Final = threading.Lock()


class Networks:
    """Raises what the SDK raises; its caller translates."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ensure(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        internal: bool,
        subnet: str | None = None,
        avoid: Collection[str] = (),
    ) -> None:
        with _ensuring:  # services are deployed side by side, and the engine's own check for duplicates is no lock
            same = self._named(name)
            if not same:
                wanted = IPv4Network(subnet) if subnet is not None else None
                self._create(name, labels, internal=internal, wanted=wanted, avoid=[IPv4Network(one) for one in avoid])
            elif bool(same[0].get("Internal")) != internal:
                kind = "an internal" if internal else "an ordinary"
                raise Conflict(f"network {name} exists and is not {kind} one", hint=f"docker network rm {name}")
            elif subnet is not None and IPv4Network(subnet) not in subnets_of(same[0]):
                there = ", ".join(str(one) for one in subnets_of(same[0]))
                raise Conflict(
                    f"network {name} has the subnet {there}, and proxy.subnet is {subnet}",
                    hint=f"to move it, stop what runs on it and remove it: docker network rm {name}; it is made anew",
                )

    def _named(self, name: str) -> list[Mapping[str, Any]]:
        """Networks of exactly this name, the oldest first: the engine allows several."""
        found = self._connection.client.networks(names=[name], filters={"type": "custom"})
        same = [network for network in found if network["Name"] == name]  # the filter takes parts of names as well
        return sorted(same, key=lambda network: (network["Created"], network["Id"]))

    def get(self, name: str) -> Network | None:
        same = self._named(name)
        if not same:
            return None
        try:
            raw = self._connection.client.inspect_network(same[0]["Id"])
        except docker.errors.NotFound:
            return None
        return Network(
            id=raw["Id"],
            name=raw["Name"],
            labels=dict(raw.get("Labels") or {}),
            internal=bool(raw.get("Internal")),
            subnets=tuple(str(subnet) for subnet in subnets_of(raw)),
            members=frozenset(raw.get("Containers") or {}),
            holders={
                one["IPv4Address"].partition("/")[0]: container
                for container, one in (raw.get("Containers") or {}).items()
                if one.get("IPv4Address")
            },
            bridge=(raw.get("Options") or {}).get(_BRIDGE_NAME) or f"br-{raw['Id'][:12]}",
            chosen=LABEL_POOL in (raw.get("Labels") or {}),
        )

    def _create(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        internal: bool,
        wanted: IPv4Network | None,
        avoid: Sequence[IPv4Network],
    ) -> None:
        client = self._connection.client
        made: Mapping[str, Any] | None = None
        choice = iter([(wanted, wanted)]) if wanted is not None else self._choices(name, labels, avoid)
        for pool, subnet in choice:
            try:
                made = client.create_network(
                    name,
                    driver="bridge",
                    internal=internal,
                    labels={**labels, LABEL_POOL: str(pool)},
                    check_duplicate=True,
                    ipam=IPAMConfig(pool_configs=[_pool(subnet)]),
                )
            except docker.errors.APIError as error:
                if error.status_code == requests.codes.conflict:  # made by somebody else at this very moment
                    return
                if not any(words in str(error.explanation).lower() for words in _OVERLAPS):
                    raise
                if wanted is not None:
                    raise self._clash(name, wanted) from error
            else:
                break
        if made is None:
            raise EngineError(
                f"making network {name}: other networks took every subnet that was free", hint="try again"
            )
        if self._named(name)[0]["Id"] != made["Id"]:  # another process was quicker, and both see who was first
            client.remove_network(made["Id"])

    def _clash(self, name: str, wanted: IPv4Network) -> Conflict:
        others = [one for one in self._connection.client.networks() if any(map(wanted.overlaps, subnets_of(one)))]
        held = ", ".join(f"{one['Name']} ({subnets_of(one)[0]})" for one in others) or "another one of the engine"
        return Conflict(
            f"making network {name}: proxy.subnet {wanted} overlaps with network {held}",
            hint="choose another proxy.subnet in bgmon.yml, or leave it out and let the engine choose",
        )

    def _choices(
        self, name: str, labels: Mapping[str, str], avoid: Sequence[IPv4Network]
    ) -> Iterator[tuple[IPv4Network, IPv4Network]]:
        """Pools and subnets, the best first. The engine is asked for a new pool only when ours are full."""
        networks = self._connection.client.networks()
        taken = [subnet for network in networks for subnet in subnets_of(network)] + [*avoid]
        for pool in pools_of(networks, LABEL_POOL):
            yield from ((pool, subnet) for subnet in choices(pool, taken))
        pool = self._fresh_pool(f"{name}-subnet", labels)
        yield from ((pool, subnet) for subnet in choices(pool, ()))

    def _fresh_pool(self, name: str, labels: Mapping[str, str]) -> IPv4Network:
        """A pool that the engine would give to the next network: it is asked for one, which is removed at once."""
        client = self._connection.client
        for _ in range(_TRIES):
            for left in self._named(name):
                if (left.get("Labels") or {}).get(LABEL_PROJECT) == labels.get(LABEL_PROJECT):
                    self.remove(left["Id"])  # of somebody who was killed right here, or is here just now
            try:
                made = client.create_network(name, driver="bridge", labels=dict(labels))["Id"]
                try:
                    found = subnets_of(client.inspect_network(made))
                finally:
                    self.remove(made)
            except docker.errors.APIError as error:
                if says_pools_exhausted(explain(error)):
                    raise self._exhausted(name.removesuffix("-subnet"), explain(error)) from error
                if error.status_code not in (requests.codes.conflict, requests.codes.not_found):
                    raise
                continue  # another process asks the same, and took ours for a leftover
            if not found:
                raise EngineError(f"making network {name}: the engine gave it no IPv4 subnet")
            return found[0]
        raise EngineError(f"making network {name}: somebody else makes networks of this name", hint="try again")

    def _exhausted(self, name: str, said: str) -> EngineError:
        client = self._connection.client
        networks = [network for network in client.networks(filters={"type": "custom"}) if subnets_of(network)]
        unused = sorted(network["Name"] for network in client.networks(filters={"dangling": True}))
        holders = ", ".join(f"{one['Name']} ({subnets_of(one)[0]})" for one in networks[:_NAMED])
        more = f" and {len(networks) - _NAMED} more" if len(networks) > _NAMED else ""
        free = f"no container uses {', '.join(unused[:_NAMED])}: docker network prune; or " if unused else ""
        return EngineError(
            f"making network {name}: no address pool of the engine is free ({said}). "
            f"{len(networks)} networks hold them: {holders}{more}",
            hint=f"{free}give the engine more: default-address-pools in /etc/docker/daemon.json, then restart it",
        )

    def remove(self, name: str) -> None:
        try:
            self._connection.client.remove_network(name)
        except docker.errors.NotFound:
            return

    def connect(self, network: str, ref: str, aliases: tuple[str, ...], address: str | None = None) -> None:
        """A container that is connected already keeps its address, and gets the aliases it lacks."""
        endpoint = self._endpoint(network, ref)
        if endpoint is None:
            self._connection.client.connect_container_to_network(
                ref, network, aliases=list(aliases), ipv4_address=address
            )
        elif set(aliases) - set(endpoint.get("Aliases") or ()):
            self.realias(network, ref, aliases)

    def realias(self, network: str, ref: str, aliases: tuple[str, ...]) -> None:
        client = self._connection.client
        endpoint = self._endpoint(network, ref)
        if endpoint is None:
            raise NotFound(f"{ref} is not connected to network {network}")
        address = endpoint.get("IPAddress") or None
        client.disconnect_container_from_network(ref, network)
        try:
            client.connect_container_to_network(ref, network, aliases=list(aliases), ipv4_address=address)
        except docker.errors.APIError as error:
            if _NO_ADDRESS not in str(error.explanation):
                raise
            # Docker gives out addresses at wish only where the network's subnet was chosen by its maker.
            client.connect_container_to_network(ref, network, aliases=list(aliases))

    def _endpoint(self, network: str, ref: str) -> Mapping[str, Any] | None:
        networks = self._connection.client.inspect_container(ref)["NetworkSettings"]["Networks"]
        return networks.get(network)  # type: ignore[no-any-return]


def _pool(subnet: IPv4Network) -> IPAMPool:
    """A container that asks for no address gets one of the upper half: the lower one is left to the slots."""
    if subnet.prefixlen > _LONGEST_HALVED:
        return IPAMPool(subnet=str(subnet))
    _, upper = subnet.subnets()
    return IPAMPool(subnet=str(subnet), iprange=str(upper), gateway=str(subnet[1]))
