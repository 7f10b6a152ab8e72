"""Which host runs what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence


def placement(hosts: Mapping[str, str | None], wanted: Sequence[str], here: Collection[str]) -> tuple[bool, list[str]]:
    """Whether a service runs on this machine, and on which other hosts, in the order of `wanted`.

    Args:
        hosts: every declared host and how ssh reaches it; None is this machine.
        wanted: the service's hosts; none means this machine.
        here: names under which this machine is known.
    """
    if not wanted:
        return True, []
    local = [name for name in wanted if hosts[name] is None or name in here]
    return bool(local), [name for name in wanted if name not in local]


def asked(
    hosts: Mapping[str, str | None],
    placed: Mapping[str, Sequence[str]],
    services: Iterable[str],
    here: Collection[str],
    given: str | None,
) -> list[str]:
    """The hosts that a command is for; none means: this machine alone, as it is without `hosts`.

    Args:
        hosts: every declared host and how ssh reaches it; None is this machine.
        placed: the hosts of each service.
        services: those that the command names; none names all.
        here: names under which this machine is known.
        given: `--hosts`: `all`, or names with commas. None: all hosts of the services, from a machine that is none of
            the hosts; a host speaks for itself.

    Raises:
        ValueError: a name is no host's.
    """
    named = list(services)
    chosen = {host for name in (named or placed) for host in placed.get(name, ())}
    if given is None:
        if any(address is None for address in hosts.values()) or here & hosts.keys():
            return []
        return [host for host in hosts if host in chosen]
    if given == "all":
        return [host for host in hosts if host in chosen] or list(hosts)
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in hosts:
            raise ValueError(name)
    return list(dict.fromkeys(names))


def ssh_address(target: str) -> tuple[str, str]:
    """Host and port of `user@host` or `ssh://user@host:port`.

    >>> ssh_address("root@vps1"), ssh_address("ssh://root@[fd00::1]:2200"), ssh_address("root@fd00::1")
    (('vps1', '22'), ('fd00::1', '2200'), ('fd00::1', '22'))
    """
    bare = target.removeprefix("ssh://").rpartition("@")[2].rstrip("/")
    if bare.startswith("["):
        address, _, port = bare[1:].partition("]")
        return address, port.lstrip(":") or "22"
    if bare.count(":") > 1:  # an IPv6 address, as ssh takes it where no port can follow
        return bare, "22"
    address, _, port = bare.partition(":")
    return address, port or "22"
