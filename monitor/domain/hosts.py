"""Which host runs what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


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
