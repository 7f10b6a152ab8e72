"""An accessory of a Kamal file as a section that stands in bgmon.yml as a comment."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Final

from monitor.config.compose.ledger import Ledger, Notes, items, shown
from monitor.config.kamal.file import text_of
from monitor.config.kamal.parts import take_command, take_environment, take_logging, take_options

_PLACES: Final = ("host", "hosts", "role", "roles", "tag", "tags")


def accessory_section(key: str, name: str, given: Any, data: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """The section; nothing of it is checked, since it is a comment."""

    def say(text: str, at: str = "") -> None:
        notes.add(name, text, at)

    source = Ledger(given)
    service = text_of(source.take("service") or f"{text_of(data['service'])}-{key}")
    section: dict[str, Any] = {"image": _image(source, say)}
    for place in _PLACES:
        if (value := source.take(place)) is not None:
            say(f"{place}: it runs on {', '.join(text_of(item) for item in items(value))}", "hosts")
    if (port := source.take("port")) is not None:
        say(f"port: {text_of(port)} is published there; bgmon publishes none", "port")
    if (network := source.take("network")) is not None:
        section["networks"] = [text_of(network)]
    take_environment(section, say, source.take("env"))
    section["volumes"] = [text_of(item) for item in items(source.take("volumes"))]
    for part in ("directories", "files"):
        for item in items(source.take(part)):
            section["volumes"].append(_mounted(item, service, data, part, say))
    take_command(section, source.take("cmd"), say)
    take_options(section, source.take("options"), say)
    labels = source.take("labels")
    if isinstance(labels, Mapping) and labels:
        section.setdefault("docker", {})["labels"] = {label: text_of(value) for label, value in labels.items()}
    take_logging(section, data.get("logging"), say)
    if (proxy := source.take("proxy")) is not None:
        say(f"{shown('proxy', proxy)} is not taken over: give it a port and a route", "route")
    if left := source.left():
        say(f"not taken over: {', '.join(left)}")
    return {part: value for part, value in section.items() if value not in ({}, [])}


def _image(source: Ledger, say: Any) -> str:
    image = text_of(source.take("image"))
    registry = source.section("registry")
    server = registry.take("server")
    login = [f"registry.{key}" for key in ("username", "password") if registry.take(key) is not None]
    if login:
        say(f"{', '.join(login)}: not taken over: docker login, on each host", "image")
    return posixpath.join(text_of(server), image) if server else image


def _mounted(item: Any, service: str, data: Mapping[str, Any], part: str, say: Any) -> str:
    """A file or folder that Kamal keeps in the home folder of its user on the host."""
    if isinstance(item, Mapping):
        local, remote = text_of(item.get("local")), text_of(item.get("remote"))
        more = text_of(item.get("options"))
        if rights := [f"{key} {text_of(item[key])}" for key in ("mode", "owner") if item.get(key)]:
            say(f"{part}: {local}: {', '.join(rights)} is as Kamal left it", "volumes")
    else:
        local, _, rest = text_of(item).partition(":")
        remote, _, more = rest.partition(":")
    ssh = data.get("ssh")
    user = text_of(ssh.get("user") or "root") if isinstance(ssh, Mapping) else "root"
    home = "/root" if user == "root" else f"/home/{user}"
    if part == "files":
        say(f"files: Kamal brings {local} to the host; bgmon does not, and mounts what is there", "volumes")
        start = f"{home}/{service}{remote}"
    else:
        start = local if local.startswith("/") else f"{home}/{service}/{local}"
    return f"{start}:{remote}{f':{more}' if more else ''}"
