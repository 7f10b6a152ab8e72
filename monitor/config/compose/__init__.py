"""A first bgmon.yml out of a Compose file: every key is taken over, or named in the notes and at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from monitor.config.compose.file import ComposeFile, Context, read_compose
from monitor.config.compose.ledger import WHOLE, Notes
from monitor.config.compose.service import service_section
from monitor.config.compose.settle import settled
from monitor.config.starter import project_name
from monitor.domain.names import RESERVED_SERVICES, name_problem

_NEXT: Final = "Look through it, then: bgmon check"


def from_compose(path: Path) -> tuple[str, list[str]]:
    """The text of a bgmon.yml, already checked, and notes on what a person must look at.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: it is no Compose file, or nothing in it can be taken over.
    """
    notes = Notes()
    file = read_compose(path, notes)
    called = _names(file, notes)
    services: dict[str, dict[str, Any]] = {}
    idle: dict[str, dict[str, Any]] = {}
    for given, (data, folder) in file.services.items():
        name = called[given]
        reason = _asleep(data)
        rest = {key: value for key, value in data.items() if key != "profiles"}
        section = service_section(Context(name, folder, file, notes), rest, called)
        (idle if reason else services)[name] = section
        if reason:
            notes.add(name, f"{reason}: it stands here as a comment")
    _drop_needs(services, idle, notes)
    _say_variables(file, notes)
    head = [f"Made from {path.name}. {_NEXT}"]
    project = project_name(file.project)
    return settled(str(path), head, project, services, idle, notes, file.variables.known)


def _names(file: ComposeFile, notes: Notes) -> dict[str, str]:
    """What each service is called in bgmon.yml: the same, where that is a legal name that nobody has."""
    called: dict[str, str] = {}
    for given in file.services:
        legal = given if not name_problem(given) else project_name(given)
        wanted = f"{legal}-service" if legal in RESERVED_SERVICES else legal
        name, number = wanted, 2
        while name in called.values() or (name != given and name in file.services):
            name, number = f"{wanted[:50]}-{number}", number + 1
        called[given] = name
        if name != given:
            why = "that name is bgmon's own container's" if legal in RESERVED_SERVICES else "that is no free name here"
            notes.add(name, f"was called {given}, but {why}; services that call it by its name must be told")
    return called


def _asleep(data: dict[str, Any]) -> str:
    """Why Compose would not start the service by itself; empty when it would."""
    profiles = data.get("profiles")
    if profiles:
        shown = ", ".join(str(item) for item in profiles) if isinstance(profiles, list) else profiles
        return f"profiles: Compose starts it with the profile {shown} alone"
    deploy = data.get("deploy")
    if "0" in (data.get("scale"), deploy.get("replicas") if isinstance(deploy, dict) else None):
        return "replicas: Compose starts none"
    return ""


def _drop_needs(services: dict[str, dict[str, Any]], idle: dict[str, dict[str, Any]], notes: Notes) -> None:
    for name, section in services.items():
        needed = section.pop("depends_on", [])
        kept = [item for item in needed if item in services]
        if kept:
            section["depends_on"] = kept
        if lost := [item for item in needed if item in idle]:
            notes.add(name, f"depends_on: {', '.join(lost)} stands here as a comment", "depends_on")


def _say_variables(file: ComposeFile, notes: Notes) -> None:
    variables = file.variables
    if variables.kept:
        names = ", ".join(f"${{{name}}}" for name in variables.kept)
        notes.add(WHOLE, f"these variables must be in the environment, bgmon reads no .env: {names}")
    if variables.defaults:
        names = ", ".join(variables.defaults)
        notes.add(WHOLE, f"these variables have a default, which stands here in their place: {names}")
