"""A first bgmon.yml out of a Compose file: what can be carried over is, what can't is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from monitor.config.loader import load_text
from monitor.config.starter import project_name
from monitor.config.yamlfile import parse
from monitor.errors import ConfigError, Problem, UsageError

_CARRIED: Final = {
    "image", "build", "ports", "expose", "environment", "volumes", "command", "user", "read_only", "init", "depends_on",
    "deploy", "mem_limit", "cpus", "pids_limit", "healthcheck", "restart", "container_name", "logging",
    "cap_add", "cap_drop", "security_opt",
}  # fmt: skip
_AS_THEY_ARE: Final = ("cap_add", "cap_drop", "security_opt")
_LOOKS_SECRET: Final = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE|DATABASE_URL|DSN", re.IGNORECASE)


def from_compose(path: Path) -> tuple[str, list[str]]:
    """The text of a bgmon.yml, already checked, and notes on what a person must look at.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: it is no Compose file, or nothing in it can be carried over.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}") from None
    data = parse(text, str(path)).data
    services = data.get("services") if isinstance(data, dict) else None
    if not isinstance(services, dict) or not services:
        raise ConfigError([Problem(str(path), 0, "services", "is missing: this is no Compose file")])
    notes: list[str] = []
    named = data.get("name")
    project = project_name(named if isinstance(named, str) else path.resolve().parent.name)
    result: dict[str, Any] = {"project": project, "services": {}}
    for name, service in services.items():
        if isinstance(service, dict):
            key = project_name(str(name))
            if key in result["services"]:
                notes.append(f"{name}: left out, its name becomes {key} like another one's")
                continue
            result["services"][key] = _service(str(name), service, project, notes)
    for name in list(result["services"]):
        section = result["services"][name]
        section["depends_on"] = [needed for needed in section.get("depends_on", []) if needed in result["services"]]
        if not section["depends_on"]:
            del section["depends_on"]
    body = yaml.safe_dump(result, sort_keys=False, allow_unicode=True, width=120)
    body = (
        f"# Made from {path.name}. Look through it, add `route:` where the public comes in, then: bgmon check\n{body}"
    )
    load_text(body, "bgmon.yml", _AnyVariable())
    return body, notes


class _AnyVariable(dict[str, str]):
    """An environment in which every variable is set, to check a file whose variables are for later."""

    def get(self, key: str, default: Any = None) -> Any:
        del key, default
        return "1"


def _service(name: str, service: dict[str, Any], project: str, notes: list[str]) -> dict[str, Any]:
    section: dict[str, Any] = {}
    image = service.get("image")
    if image is None:
        notes.append(f"{name}: has no image (built from source); push it to a registry and correct `image`")
    section["image"] = str(image or f"{project}/{name}")
    ports = _ports(service)
    if ports:
        section["port"] = ports[0]
    if len(ports) > 1:
        notes.append(f"{name}: has several ports; only {ports[0]} is switched by the proxy")
    section |= _health(name, service, notes)
    section |= _limits(service)
    section |= _environment(name, service, notes)
    section |= _volumes(name, service, notes)
    for key in ("command", "user", "read_only", "init"):
        if service.get(key) is not None:
            section[key] = service[key]
    needed = service.get("depends_on") or []
    if needed:
        section["depends_on"] = [project_name(str(item)) for item in needed]
    docker = {key: service[key] for key in _AS_THEY_ARE if service.get(key)}
    if docker:
        section["docker"] = docker
    dropped = sorted(str(key) for key in set(service) - _CARRIED)
    if dropped:
        notes.append(f"{name}: not carried over: {', '.join(dropped)}")
    return section


def _volumes(name: str, service: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    given = service.get("volumes") or []
    volumes = [item for item in given if isinstance(item, str) and ":" in item and not item.startswith((".", "~"))]
    if len(volumes) < len(given):
        notes.append(f"{name}: volumes in the long form and relative host paths were left out")
    named = [item.partition(":")[0] for item in volumes if not item.startswith("/")]
    if named:
        what = ", ".join(named)
        notes.append(f"{name}: Compose calls its volumes <project>_name; correct {what} where data is to be kept")
    return {"volumes": volumes} if volumes else {}


def _ports(service: dict[str, Any]) -> list[int]:
    """Ports inside the container, from `ports` (short or long form) and `expose`."""
    found: list[int] = []
    for item in [*(service.get("ports") or []), *(service.get("expose") or [])]:
        target = item.get("target") if isinstance(item, dict) else str(item).rpartition(":")[2].partition("/")[0]
        if str(target).isdigit():
            found.append(int(str(target)))
    return list(dict.fromkeys(found))


def _health(name: str, service: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    check = service.get("healthcheck")
    if not isinstance(check, dict) or not check.get("test"):
        return {}
    test = check["test"]
    command = " ".join(str(part) for part in test) if isinstance(test, list) else str(test)
    match = re.search(r"https?://[^/\s\"']+(/[^\s\"'|;]*)", command)
    if match is None:
        notes.append(f"{name}: its healthcheck is a command; put it into the image, or set health.path")
        return {}
    return {"health": {"path": match[1]}}


def _limits(service: dict[str, Any]) -> dict[str, Any]:
    deploy = service.get("deploy")
    resources = deploy.get("resources") if isinstance(deploy, dict) else None
    given = (resources.get("limits") if isinstance(resources, dict) else None) or {}
    limits = {
        "memory": given.get("memory") or service.get("mem_limit"),
        "cpus": _number(given.get("cpus") or service.get("cpus")),
        "pids": given.get("pids") or service.get("pids_limit"),
    }
    limits = {key: value for key, value in limits.items() if value is not None}
    return {"limits": limits} if limits else {}


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _environment(name: str, service: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    given = service.get("environment") or {}
    pairs = given.items() if isinstance(given, dict) else (str(item).partition("=")[::2] for item in given)
    env: dict[str, str] = {}
    secrets: list[str] = []
    for key, value in pairs:
        if _LOOKS_SECRET.search(str(key)) or value in (None, ""):
            secrets.append(str(key))
        else:
            # Compose's own ${VAR:-default} is not ours: a reader must decide, so it becomes literal text.
            text = str(value).lower() if isinstance(value, bool) else str(value)
            env[str(key)] = re.sub(r"\$\{(?![A-Za-z_][A-Za-z0-9_]*\})", "$${", text)
    if secrets:
        notes.append(f"{name}: {', '.join(secrets)} became secrets: set them in the environment or in .bgmon/secrets")
    section: dict[str, Any] = {}
    if env:
        section["env"] = env
    if secrets:
        section["secrets"] = secrets
    return section
