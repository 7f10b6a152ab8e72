"""`like`: a service that runs the image of another with a command of its own, such as a worker beside a web."""

from __future__ import annotations

from typing import Any, Final

from monitor.config.yamlfile import MAX_NODES, Document, dotted
from monitor.errors import Problem

OWN: Final = frozenset({"route", "internal", "port", "health", "slo", "like"})
"""What a service says of itself alone: where its program listens, how it is asked, who asks it, what it promises."""
NONE: Final = "none"


def expand(document: Document) -> list[Problem]:
    """Give each service with `like` what it does not say itself; what is wrong with them."""
    services = document.data.get("services") if isinstance(document.data, dict) else None
    if not isinstance(services, dict):
        return []
    problems: list[Problem] = []
    made: dict[str, Any] = {}
    values = 0
    for name, section in services.items():
        if not isinstance(section, dict) or section.get("like") is None:
            continue
        base: Any = services.get(section["like"]) if isinstance(section["like"], str) else None
        if section["like"] == name or not isinstance(base, dict):
            base, message = None, f"{str(section['like'])[:80]!r} is no other service"
        elif base.get("like") is not None:
            base, message = None, f"{section['like']} is like {str(base['like'])[:80]} itself: name that one"
        else:
            message = ""
        if base is None:
            path = ("services", str(name), "like")
            problems.append(Problem(document.file, document.line(path), dotted(path), message))
            continue
        values += _size(base)
        if values > MAX_NODES:
            problems.append(Problem(document.file, 0, "services", f"stands for more than {MAX_NODES} values"))
            break
        made[name] = _with(base, section)
    document.data = {**document.data, "services": {**services, **made}}
    return problems


def _with(base: dict[str, Any], section: dict[str, Any]) -> dict[str, Any]:
    taken = {key: value for key, value in base.items() if key not in OWN}
    if isinstance(taken.get("deploy"), dict):  # the command belongs to the image, and runs once for it
        taken["deploy"] = {key: value for key, value in taken["deploy"].items() if key != "release"}
    merged = _merged(taken, section)
    return {key: value for key, value in merged.items() if value != NONE}


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Sections and mappings key by key; a list or a value as a whole."""
    merged = dict(base)
    for key, value in own.items():
        there = base.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            merged[key] = _merged(there, value)
        elif value is not None or key not in base:  # without a value, a key counts as not given
            merged[key] = value
    return merged


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(_size(item) for item in value.values())
    if isinstance(value, list):
        return 1 + sum(_size(item) for item in value)
    return 1
