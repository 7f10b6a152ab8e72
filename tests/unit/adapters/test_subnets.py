"""Which subnet a new network gets."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import islice
from typing import Any

import pytest

from monitor.adapters.docker.subnets import choices, pools_of, subnets_of


def network(subnet: str | None, pool: str | None = None) -> dict[str, Any]:
    config = [{"Subnet": subnet}] if subnet else None
    return {"IPAM": {"Config": config}, "Labels": {"bgmon.pool": pool} if pool is not None else None}


def nets(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


@pytest.mark.parametrize(
    ("pool", "taken", "first"),
    [
        ("172.20.0.0/16", [], ["172.20.0.0/24", "172.20.1.0/24"]),
        ("172.20.0.0/16", ["172.20.0.0/24", "172.20.2.128/25"], ["172.20.1.0/24", "172.20.3.0/24"]),
        ("192.168.16.0/20", ["10.0.0.0/8"], ["192.168.16.0/24", "192.168.17.0/24"]),
        ("10.201.3.64/26", [], ["10.201.3.64/26"]),
        ("10.201.3.64/26", ["10.201.0.0/16"], []),
        ("10.201.3.0/24", ["10.201.3.0/26"], []),
        ("172.20.0.0/16", ["172.20.0.0/16"], []),
    ],
)
def test_small_subnets_that_nobody_has(pool: str, taken: list[str], first: list[str]) -> None:
    assert list(islice(choices(IPv4Network(pool), nets(*taken)), 2)) == nets(*first)


def test_a_huge_pool_is_not_searched_for_ever() -> None:
    assert 2 < len(list(choices(IPv4Network("10.0.0.0/8"), ()))) < 100


def test_pools_are_those_that_hold_their_network() -> None:
    found = pools_of(
        [
            network("172.20.0.0/24", "172.20.0.0/16"),
            network("172.20.1.0/24", "172.20.0.0/16"),
            network("10.0.0.0/24", "172.21.0.0/16"),  # says what is not so
            network("10.0.1.0/24", "garbage"),
            network("10.0.2.0/24"),
            network(None, "172.22.0.0/16"),
        ],
        "bgmon.pool",
    )
    assert found == nets("172.20.0.0/16")


@pytest.mark.parametrize("raw", [{}, {"IPAM": None}, network(None), network("fd00::/64"), network("nonsense")])
def test_networks_without_an_ipv4_subnet(raw: dict[str, Any]) -> None:
    assert subnets_of(raw) == []
