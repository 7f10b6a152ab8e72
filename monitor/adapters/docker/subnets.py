"""Which subnet a new network gets: a small one, cut out of an address pool that bgmon has already taken.

An engine's default pools hold 31 networks. The first network lets the engine choose a pool, which clashes with nothing
on its host and is what its administrator allows; every further one of any project is cut out of the same pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, ip_network
from itertools import islice
from typing import Any, Final

PREFIX: Final = 24  # 253 containers
_MOST_CHOICES: Final = 64  # free subnets that are tried, should others take them at this very moment


def subnets_of(network: Mapping[str, Any]) -> list[IPv4Network]:
    """The IPv4 subnets of a network, from the engine's JSON."""
    configs = (network.get("IPAM") or {}).get("Config") or []
    found = (_parsed(config.get("Subnet")) for config in configs)
    return [subnet for subnet in found if subnet is not None]


def pools_of(networks: Iterable[Mapping[str, Any]], label: str) -> list[IPv4Network]:
    """The pools that networks were cut out of, as their label says; one that does not hold its network is none."""
    pools = {
        pool
        for network in networks
        if (pool := _parsed((network.get("Labels") or {}).get(label))) is not None
        if (own := subnets_of(network)) and all(subnet.subnet_of(pool) for subnet in own)
    }
    return sorted(pools)


def choices(pool: IPv4Network, taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """Subnets of a pool that overlap none of those taken, lowest first; a pool that is small itself is one."""
    near = [subnet for subnet in taken if subnet.overlaps(pool)]
    parts = pool.subnets(new_prefix=PREFIX) if pool.prefixlen < PREFIX else iter([pool])
    free = (part for part in parts if not any(part.overlaps(subnet) for subnet in near))
    return islice(free, _MOST_CHOICES)


def _parsed(text: str | None) -> IPv4Network | None:
    try:
        network = ip_network(text or "")
    except ValueError:
        return None
    return network if isinstance(network, IPv4Network) else None
