"""A Compose file with everything that it takes from others: variables, `extends`, `include`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from monitor.config.compose.ledger import WHOLE, Notes, items, pairs, shown
from monitor.config.compose.variables import Variables, env_lines
from monitor.config.spelled import as_written
from monitor.config.yamlfile import parse, read_text
from monitor.errors import ConfigError, Problem, UsageError

Section = dict[str, Any]

_DEEPEST: Final = 10  # files and services that take from one another
_PARTS: Final = ("volumes", "networks", "secrets", "configs")
_REPLACED: Final = frozenset({"command", "entrypoint", "healthcheck.test"})
_PAIRS: Final = frozenset({"environment", "labels", "sysctls"})  # a mapping or a list of texts, as one likes


@dataclass(slots=True)
class ComposeFile:
    """`services` are their mappings, and the folder that their relative paths start from."""

    project: str
    folder: Path
    variables: Variables
    services: dict[str, tuple[dict[str, Any], Path]] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in _PARTS})
    where: dict[str, Path] = field(default_factory=dict)  # of secrets and configs: the folder of their file


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside a service's own keys: its name in bgmon.yml, and the folder of its relative paths."""

    name: str
    folder: Path
    file: ComposeFile
    notes: Notes

    def say(self, text: str, at: str = "") -> None:
        """Note something about the service; see ledger.Note."""
        self.notes.add(self.name, text, at)


def read_compose(path: Path, notes: Notes) -> ComposeFile:
    """The file at `path`.

    Raises:
        UsageError: it cannot be read.
        ConfigError: it, or a file that it takes from, is no Compose file.
    """
    if not path.is_file():
        raise UsageError(f"{path}: No such file")
    folder = path.resolve().parent
    dotenv = folder / ".env"
    known = {key: value or "" for key, value in env_lines(read_text(dotenv)).items()} if dotenv.is_file() else {}
    data = _load(path)
    name = data.get("name") or known.get("COMPOSE_PROJECT_NAME") or folder.name
    file = ComposeFile(compose_project(str(name)), folder, Variables(known))
    _add(file, path, data, notes, 0)
    if not file.services:
        raise ConfigError([Problem(str(path), 0, "services", "is missing: this is no Compose file")])
    return file


def compose_project(name: str) -> str:
    """The name that Compose gives a project, and its volumes and networks before an underscore."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-") or "project"


def _load(path: Path) -> dict[str, Any]:
    try:
        data = parse(read_text(path), str(path)).data
    except ConfigError as error:
        problem = error.problems[0]
        if "determine a constructor for the tag '!" in problem.message:  # !reset, !override
            hint = "merge the files first: docker compose config > merged.yaml"
            raise ConfigError(error.problems, hint=hint) from None
        raise
    if not isinstance(data, dict):
        raise ConfigError([Problem(str(path), 0, "services", "is missing: this is no Compose file")])
    return data


def _add(file: ComposeFile, path: Path, data: dict[str, Any], notes: Notes, depth: int) -> None:
    """Put what stands in one file into `file`; what a file includes comes before what it says itself."""
    folder = path.resolve().parent
    for entry in items(data.get("include")):
        given = entry if isinstance(entry, Mapping) else {"path": entry}
        for other in items(given.get("path")):
            included = folder / str(other)
            if depth >= _DEEPEST or not included.is_file():
                notes.add(WHOLE, f"include: {other} is not there, so that nothing of it is taken over")
                continue
            _add(file, included, _load(included), notes, depth + 1)
        if set(given) - {"path"}:
            notes.add(
                WHOLE, f"include: {', '.join(sorted(set(given) - {'path'}))} of {given.get('path')} is not followed"
            )
    services = data.get("services")
    for name, service in services.items() if isinstance(services, dict) else ():
        whole = _extended(service if isinstance(service, dict) else {}, path, data, partial(notes.add, str(name)))
        file.services[str(name)] = (file.variables.apply(as_written(whole)), folder)
    for part in _PARTS:
        declared = data.get(part)
        if isinstance(declared, dict):
            file.parts[part] |= file.variables.apply(as_written(declared))
            file.where |= {f"{part}.{key}": folder for key in declared}
    idle = [key for key in data if key == "version" or key.startswith("x-")]
    if idle:
        notes.add(WHOLE, f"{', '.join(idle)}: means nothing to bgmon; what anchors took from it is taken over")
    rest = [key for key in data if key not in ("services", "include", "name", *_PARTS, *idle)]
    if rest:
        notes.add(WHOLE, f"not taken over: {', '.join(shown(key, data[key]) for key in rest)}")


def _extended(service: Section, path: Path, data: Section, say: Callable[[str], None], depth: int = 0) -> Section:
    """The service with everything that `extends` adds to it."""
    given = service.get("extends")
    if given is None:
        return service
    own = {key: value for key, value in service.items() if key != "extends"}
    wanted = given if isinstance(given, Mapping) else {"service": given}
    other, base_path = data, path
    if wanted.get("file"):
        base_path = path.resolve().parent / str(wanted["file"])
        other = _load(base_path) if base_path.is_file() else {}
    services = other.get("services")
    base = services.get(wanted.get("service")) if isinstance(services, dict) else None
    if not isinstance(base, dict) or depth >= _DEEPEST:
        say(f"extends: {wanted.get('service')} of {base_path.name} is not there; nothing of it is taken over")
        return own
    whole: Section = merged(_extended(base, base_path, other, say, depth + 1), own)
    return whole


def merged(base: Any, more: Any, key: str = "") -> Any:
    """`more` over `base`, as Compose does it: mappings are joined, lists put together, all else replaced."""
    if key in _PAIRS:
        return pairs(as_written(base)) | pairs(as_written(more))
    if isinstance(base, dict) and isinstance(more, dict):
        both = dict(base)
        for name, value in more.items():
            inner = f"{key}.{name}" if key else name
            both[name] = merged(base[name], value, inner) if name in base else value
        return both
    if isinstance(base, list) and isinstance(more, list) and key not in _REPLACED:
        return [*(item for item in base if item not in more), *more]
    return more
