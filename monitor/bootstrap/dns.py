"""Internal names of a project, and how this machine resolves them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from monitor.adapters.host.resolver import resolve
from monitor.domain.internalnames import HostAddress, InternalName, internal_names, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.config.schema import Config
    from monitor.ports.alerts import Alerts
    from monitor.services.namewatch import NameWatch

_AT_ONCE = 16


def names_of(config: Config) -> list[InternalName]:
    """Every internal name that bgmon.yml has."""
    internal = {
        name: (section.internal, section.hosts)
        for name, section in config.services.items()
        if section.internal is not None
    }
    return internal_names(internal, _hosts(config))


def owners(config: Config) -> dict[str, str]:
    """The host of each private address that is known."""
    return {known: name for name, host in _hosts(config).items() if (known := host.known) is not None}


def names_and_answers(config: Config) -> list[dict[str, Any]]:
    """Each name, what this machine resolves it to, and what is wrong with that."""
    names = names_of(config)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        answers = list(pool.map(lambda one: resolve(one.name), names))
    known = owners(config)
    return [
        {
            "service": one.service,
            "name": one.name,
            "addresses": list(answer),
            "expected": list(one.addresses.values()),
            "problem": problem(one, answer, known),
        }
        for one, answer in zip(names, answers, strict=True)
    ]


def make_name_watch(current: Callable[[], Config], alerts: Alerts) -> NameWatch:
    """The daemon's own look at the names."""
    from monitor.adapters.host.clock import SystemClock
    from monitor.services.namewatch import NameWatch

    return NameWatch(lambda: names_of(current()), lambda: owners(current()), resolve, alerts, SystemClock())


def _hosts(config: Config) -> dict[str, HostAddress]:
    return {name: HostAddress(section.address, section.ssh) for name, section in config.hosts.items()}
