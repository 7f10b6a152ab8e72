"""Private DNS names of services: what they should be resolved to, and what is wrong with an answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from monitor.domain.hosts import ssh_address


@dataclass(frozen=True, slots=True)
class InternalName:
    """What other services call. `hosts` serve it; `addresses` are those of them that are known, by host."""

    service: str
    name: str
    hosts: tuple[str, ...]
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HostAddress:
    """A host's private address, as bgmon.yml has it, and how ssh reaches it."""

    address: str | None
    ssh: str | None

    @property
    def known(self) -> str | None:
        """The address; that in `ssh` counts where it is one, and not a name."""
        if self.address is not None:
            return self.address
        reached, _ = ssh_address(self.ssh or "")
        return reached if is_address(reached) else None


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def internal_names(
    internal: Mapping[str, tuple[str, Sequence[str]]], hosts: Mapping[str, HostAddress]
) -> list[InternalName]:
    """Every name, by service. `internal` has `name:port` and the hosts of each service that is called by a name."""
    made: list[InternalName] = []
    for service, (entry, places) in sorted(internal.items()):
        name = entry.rpartition(":")[0].lower()
        if is_address(name) or name == "localhost":
            continue
        addresses = {host: known for host in places if (known := hosts[host].known) is not None}
        made.append(InternalName(service, name, tuple(places), addresses))
    return made


def problem(name: InternalName, answer: Collection[str], owners: Mapping[str, str]) -> str:
    """What is wrong with an answer; empty when nothing is.

    Args:
        name: what was asked for.
        answer: the addresses that it was resolved to.
        owners: the host of each known address.
    """
    if not answer:
        return "points nowhere"
    others = sorted({owners[address] for address in answer if address in owners} - set(name.hosts))
    if others:
        return f"points at {', '.join(others)}, where {name.service} does not run"
    complete = len(name.addresses) == len(name.hosts)
    stale = sorted(address for address in answer if address not in owners)
    if stale and complete and name.hosts:
        return f"points at {', '.join(stale)}, which is none of its hosts (a rebuilt machine?)"
    missing = sorted(host for host, address in name.addresses.items() if address not in answer)
    if missing:
        return f"does not point at {', '.join(missing)}, which runs {name.service}"
    return ""


def zone_of(names: Sequence[str]) -> str:
    """The zone of all names: what follows the first label where that is the same, else the last label.

    >>> zone_of(["core.shop.internal", "search.shop.internal"])
    'shop.internal'
    >>> zone_of(["core.internal", "a.search.internal"])
    'internal'
    """
    rest = {name.partition(".")[2] for name in names}
    if len(rest) == 1 and rest != {""}:
        return rest.pop()
    return names[0].rpartition(".")[2]


def record_name(name: str, zone: str) -> str:
    """The name within its zone. Raises ValueError when it is not in it."""
    if name == zone:
        return "@"
    if not name.endswith(f".{zone}"):
        raise ValueError(f"{name} is not in the zone {zone}")
    return name.removesuffix(f".{zone}")
