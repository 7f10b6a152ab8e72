"""Which other hosts a host's proxy may hand requests of internal services on to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """The proxy of another host; `address` is where it takes requests of its peers."""

    host: str
    address: str


@dataclass(frozen=True, slots=True)
class Peering:
    """`listen` takes requests of peers alone, and serves them on this host: none is handed on twice."""

    listen: str
    allowed: tuple[str, ...]  # addresses of the other hosts
    served: tuple[str, ...]  # services that peers may ask this host for
    others: Mapping[str, tuple[Peer, ...]]  # by service, where else it runs


def peering(
    port: int | None, addresses: Mapping[str, str], placed: Mapping[str, Sequence[str]], here: Collection[str]
) -> Peering | None:
    """How this host's proxy balances; None: by itself alone.

    Args:
        port: where the proxies take requests of each other.
        addresses: private address of each host where it is known.
        placed: the hosts of each service that has an internal name.
        here: names under which this machine is known.
    """
    own = next((host for host in sorted(addresses) if host in here), None)
    if port is None or own is None:
        return None
    others = {
        service: tuple(Peer(host, _at(addresses[host], port)) for host in hosts if host != own and host in addresses)
        for service, hosts in sorted(placed.items())
    }
    return Peering(
        listen=_at(addresses[own], port),
        allowed=tuple(sorted({address for host, address in addresses.items() if host != own})),
        served=tuple(service for service, hosts in sorted(placed.items()) if own in hosts),
        others={service: peers for service, peers in others.items() if peers},
    )


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
