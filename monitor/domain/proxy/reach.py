"""How this host gets at a container: by the container's own address, or by a port published on loopback."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Address, IPv4Network
from typing import Final, Literal

ReachMode = Literal["auto", "address", "port"]
LOOPBACK: Final = "127.0.0.1"
_MOST: Final = 4096  # addresses of a large subnet that are used
_KEPT: Final = 2  # the subnet's own address, and that of its bridge


def free_address(subnet: IPv4Network, taken: Container[str | int], own: str = "") -> str | None:
    """An address for a slot: the one it had, else the lowest that is free; None when the subnet is full.

    >>> free_address(IPv4Network("10.0.0.0/29"), {"10.0.0.2"})
    '10.0.0.3'
    >>> free_address(IPv4Network("10.0.0.0/29"), {"10.0.0.2"}, own="10.0.0.5")
    '10.0.0.5'
    """
    numbers = range(_KEPT, min(subnet.num_addresses - 1, _MOST))
    if own and own not in taken and int(IPv4Address(own)) - int(subnet.network_address) in numbers:
        return own
    places = (str(subnet[number]) for number in numbers)
    return next((place for place in places if place not in taken), None)
