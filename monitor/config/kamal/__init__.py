"""A first bgmon.yml out of Kamal's config/deploy.yml: every key is taken over, or named in notes and at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from monitor.config.compose.ledger import WHOLE, Notes, items
from monitor.config.compose.settle import settled
from monitor.config.kamal.accessories import accessory_section
from monitor.config.kamal.file import read_kamal, text_of
from monitor.config.kamal.roles import Shared, role_section, roles_of
from monitor.config.kamal.whole import build_of, hosts_of, image_of, proxy_of, say_whole
from monitor.config.starter import project_name
from monitor.domain.names import RESERVED_SERVICES, name_problem
from monitor.domain.sealing import variables

_NEXT: Final = "Look through it, then: bgmon check"


def from_kamal(path: Path, destination: str | None = None) -> tuple[str, list[str]]:
    """The text of a bgmon.yml, already checked, and notes on what a person must look at.

    Args:
        path: Kamal's file.
        destination: also read `deploy.<destination>.yml` beside it, as `kamal -d` does.

    Raises:
        UsageError: a file cannot be read.
        ConfigError: it is no Kamal file, or Ruby decides what stands in it.
    """
    notes = Notes()
    data = read_kamal(path, destination, notes)
    if data.get("require_destination") is True and destination is None:
        notes.add(WHOLE, "require_destination: the file is only a part: name the rest with --destination")
    roles = roles_of(data.get("servers"))
    primary = text_of(data.get("primary_role") or "web")
    given = data.get("accessories")
    accessories: dict[str, Any] = given if isinstance(given, dict) else {}
    addresses = list(dict.fromkeys(host for role in roles for host in role.hosts))
    hosts, called = hosts_of(addresses, data.get("ssh"), notes)
    shared = Shared(data, image_of(data), called, build_of(data.get("builder"), notes), primary)
    names = _names([*(role.name for role in roles), *accessories], notes)
    services = {names[role.name]: role_section(role, names[role.name], shared, notes) for role in roles}
    idle = {names[key]: accessory_section(key, names[key], own, data, notes) for key, own in accessories.items()}
    for role in roles:
        if not role.hosts:  # Kamal starts none, here it would be this machine
            idle[names[role.name]] = services.pop(names[role.name])
            notes.add(names[role.name], "servers: the role has no hosts: it stands here as a comment")
    more = {"hosts": hosts} if hosts else {}
    proxy = proxy_of(data.get("proxy"), notes)
    if proxy:
        more["proxy"] = proxy
    say_whole(data, notes, primary=names.get(primary, primary), accessories=list(accessories))
    service = text_of(data["service"])
    project = project_name(f"{service}-{destination}" if destination else service)
    if project != service and not destination:
        notes.add(WHOLE, f"service: {service} became the project {project}")
    _say_variables(services, more, notes)
    head = [f"Made from {path.name}. {_NEXT}"]
    return settled(str(path), head, project, services, idle, notes, {}, more)


def _names(given: list[str], notes: Notes) -> dict[str, str]:
    """What roles and accessories are called: the same, where that is a legal name that nobody has."""
    called: dict[str, str] = {}
    for name in dict.fromkeys(given):
        legal = name if not name_problem(name) else project_name(name)
        wanted = f"{legal}-service" if legal in RESERVED_SERVICES else legal
        made, number = wanted, 2
        while made in called.values():
            made, number = f"{wanted[:50]}-{number}", number + 1
        called[name] = made
        if made != name:
            notes.add(made, f"was called {name}, which is no free name here")
    return called


def _say_variables(services: dict[str, dict[str, Any]], more: dict[str, Any], notes: Notes) -> None:
    found = variables(str(item) for item in (*services.values(), *items(more)))
    if found:
        notes.add(WHOLE, f"these variables must be in the environment: {', '.join(f'${{{name}}}' for name in found)}")
