"""One service of a Compose file as a section of bgmon.yml."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from monitor.config.base import parse_duration
from monitor.config.compose.environment import environment
from monitor.config.compose.file import Context
from monitor.config.compose.health import health, ports
from monitor.config.compose.ledger import Ledger, items, looks_secret, pairs, truth
from monitor.config.compose.routes import traefik
from monitor.config.compose.storage import networks, volumes
from monitor.domain.digits import digits

# Options of Compose by the names that the engine's library has for them.
_TEXTS: Final = {
    "domainname": "domainname", "hostname": "hostname", "ipc": "ipc_mode", "pid": "pid_mode", "platform": "platform",
    "runtime": "runtime", "shm_size": "shm_size", "stop_signal": "stop_signal", "userns_mode": "userns_mode",
    "working_dir": "working_dir", "mem_reservation": "mem_reservation", "memswap_limit": "memswap_limit",
}  # fmt: skip
_LISTS: Final = ("cap_add", "cap_drop", "devices", "dns", "dns_search", "group_add", "security_opt")
_SIZES: Final = ("shm_size", "mem_reservation", "memswap_limit")
_MAPPINGS: Final = ("sysctls", "storage_opt")
_OWN_LABELS: Final = ("bgmon.", "com.docker.compose.")
_RESTARTS: Final = ("always", "unless-stopped")


def service_section(context: Context, data: dict[str, Any], called: Mapping[str, str]) -> dict[str, Any]:
    """The section of bgmon.yml.

    Args:
        context: its name there, and the file it comes from.
        data: its mapping, with variables as bgmon writes them.
        called: names in bgmon.yml by those in the Compose file.
    """
    source = Ledger(data)
    deploy = source.section("deploy")
    section = _image(context, source)
    found = traefik(context, pairs(source.take("labels")) | pairs(deploy.take("labels")))
    section |= ports(context, source, found.port)
    section |= health(context, source, section)
    if found.routes and "port" in section:
        section["route"] = found.routes if len(found.routes) > 1 else found.routes[0]
    elif found.routes:
        context.say(f"labels: routes need a port, and none is known: {found.routes}", "route")
    resources = deploy.section("resources")
    section |= _limits(source, resources.section("limits"))
    section |= environment(context, source)
    binds, memory = volumes(context, source)
    section |= {"volumes": binds} if binds else {}
    joined = networks(context, source)
    section |= {"networks": joined} if joined else {}
    section |= _process(context, source)
    section |= _needs(context, source, called)
    docker = _docker(context, source, resources, found.rest) | ({"tmpfs": memory} if memory else {})
    section |= {"docker": docker} if docker else {}
    section |= _keeping(context, source, deploy)
    left = source.left()
    if left:
        context.say(f"not taken over: {', '.join(left)}")
    return section


def _image(context: Context, source: Ledger) -> dict[str, Any]:
    """`image`, and `build` for `bgmon build`."""
    image, given = source.take("image"), source.take("build")
    section: dict[str, Any] = {"image": str(image or f"{context.file.project}/{context.name}")}
    if given is None and image is None:
        context.say("image: is missing; correct it", "image")
    if given is None:
        return section
    push = "" if image else ", and correct `image`: it needs a registry's name in front"
    context.say(f"build: a deploy builds nothing: bgmon build {context.name} --push does{push}", "build")
    build = _build(context, Ledger(given if isinstance(given, dict) else {"context": given}, "build."))
    return {**section, "build": build} if build else section


def _build(context: Context, source: Ledger) -> dict[str, Any]:
    where = str(source.take("context") or ".")
    if where.startswith(("/", "~", "$", "git@")) or "://" in where:
        context.say(f"build: context {where} is not taken over: it must be a folder beside bgmon.yml", "build")
        return {}
    made: dict[str, Any] = {"context": where}
    for key in ("dockerfile", "target"):
        if (value := source.take(key)) is not None:
            made[key] = str(value)
    args = {key: f"${{{key}}}" if value is None else value for key, value in pairs(source.take("args")).items()}
    hidden = [key for key, value in args.items() if looks_secret(key, value) and not value.startswith("${")]
    if hidden:
        context.say(f"build: args {', '.join(hidden)} look like secrets and are not taken over", "build")
    if shown := {key: value for key, value in args.items() if key not in hidden}:
        made["args"] = shown
    if platforms := [str(item) for item in items(source.take("platforms"))]:
        made["platforms"] = platforms
    if left := source.left():
        context.say(f"not taken over: {', '.join(left)}", "build")
    return made


def _limits(source: Ledger, given: Ledger) -> dict[str, Any]:
    wanted = {
        "memory": (given.take("memory"), source.take("mem_limit")),
        "cpus": (given.take("cpus"), source.take("cpus")),
        "pids": (given.take("pids"), source.take("pids_limit")),
    }
    limits = {key: next((v for v in values if v), None) for key, values in wanted.items()}
    made = {key: value for key, value in limits.items() if value not in (None, "0", "-1")}
    return {"limits": made} if made else {}


def _process(context: Context, source: Ledger) -> dict[str, Any]:
    made: dict[str, Any] = {}
    command = _argv(context, "command", source.take("command"))
    if command:
        made["command"] = command
    if (user := source.take("user")) is not None:
        made["user"] = user
    for key in ("read_only", "init"):
        if (value := source.take(key)) is not None:
            made[key] = truth(value)
    return made


def _argv(context: Context, key: str, value: Any) -> list[str]:
    """Compose splits a text into words and runs no shell; bgmon would run one."""
    if value is None:
        return []
    if not value:
        context.say(f"{key}: an empty one, which takes the image's away, is not taken over", key)
    if isinstance(value, list):
        return [str(item) for item in value]
    try:
        return shlex.split(str(value))
    except ValueError:
        context.say(f"{key}: has an open quote and is not taken over", key)
        return []


def _needs(context: Context, source: Ledger, called: Mapping[str, str]) -> dict[str, Any]:
    given = source.take("depends_on")
    needed = [str(item) for item in given] if isinstance(given, dict | list) else items(given)
    for item, how in given.items() if isinstance(given, dict) else ():
        condition = how.get("condition") if isinstance(how, dict) else None
        if condition == "service_completed_successfully":
            context.say(f"depends_on: {item} is to end first: make it a hook before the deploy, or a job", "depends_on")
        more = sorted(set(how) - {"condition"}) if isinstance(how, dict) else []
        if more:
            context.say(f"depends_on: not taken over of {item}: {', '.join(more)}", "depends_on")
    lost = [item for item in needed if called.get(item, context.name) == context.name]
    if lost:
        context.say(f"depends_on: {', '.join(lost)} is no service here", "depends_on")
    known = [called[item] for item in needed if item not in lost]
    return {"depends_on": list(dict.fromkeys(known))} if known else {}


def _docker(context: Context, source: Ledger, resources: Ledger, labels: dict[str, str]) -> dict[str, Any]:
    docker: dict[str, Any] = {ours: value for key, ours in _TEXTS.items() if (value := source.take(key))}
    docker |= {key: [str(item) for item in items(value)] for key in _LISTS if (value := source.take(key))}
    docker |= {key: {k: v or "" for k, v in pairs(value).items()} for key in _MAPPINGS if (value := source.take(key))}
    entrypoint = _argv(context, "entrypoint", source.take("entrypoint"))
    if entrypoint:
        docker["entrypoint"] = entrypoint
    if hosts := source.take("extra_hosts"):
        docker["extra_hosts"] = _extra_hosts(hosts)
    if truth(source.take("privileged")):
        docker["privileged"] = True
    if (score := source.take("oom_score_adj")) is not None:
        docker["oom_score_adj"] = int(score) if _number(score) else score
    if limits := source.take("ulimits"):
        docker["ulimits"] = _ulimits(limits)
    if reserved := resources.section("reservations").take("memory"):
        docker["mem_reservation"] = reserved
    docker |= {key: int(docker[key]) for key in _SIZES if _number(docker.get(key))}
    refused = sorted(key for key in labels if key.startswith(_OWN_LABELS))
    if refused:
        context.say(f"labels: not taken over: {', '.join(refused)}", "docker")
    if kept := {key: value for key, value in labels.items() if key not in refused}:
        docker["labels"] = kept
    return docker


def _extra_hosts(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(key): str(item) for key, item in value.items()}
    cut = (str(item).partition("=" if "=" in str(item) else ":") for item in items(value))
    return {key: address.strip("[]") for key, _, address in cut}


def _ulimits(value: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for key, item in value.items() if isinstance(value, dict) else ():
        both = item if isinstance(item, dict) else {"soft": item, "hard": item}
        made.append(
            {"name": str(key), **{side: int(both[side]) for side in ("soft", "hard") if _number(both.get(side))}}
        )
    return made


def _number(value: Any) -> bool:
    return digits(str(value).removeprefix("-"))


def _keeping(context: Context, source: Ledger, deploy: Ledger) -> dict[str, Any]:
    """What keeps it running, stops it, and rotates its log."""
    made: dict[str, Any] = {}
    restart = source.take("restart")
    if restart is not None and restart not in _RESTARTS:
        context.say(f"restart: {restart}: bgmon keeps its services running, as with unless-stopped", "heal")
    if grace := source.take("stop_grace_period"):
        try:
            parse_duration(context.file.variables.now(str(grace)))
            made["deploy"] = {"stop": str(grace)}
        except ValueError:
            context.say(f"stop_grace_period: not taken over: {grace}", "deploy")
    if container := source.take("container_name"):
        context.say(
            f"container_name: {container}: others reach it as {context.name}; its containers end in -blue and -green",
        )
    replicas = deploy.take("replicas") or source.take("scale")
    if replicas not in (None, "1"):
        context.say(f"scale or replicas: {replicas}: bgmon runs one container of a service on a host", "deploy")
    logging = source.section("logging")
    driver, options = logging.take("driver"), logging.section("options")
    if driver in (None, "json-file", "local"):
        sizes = {"max_size": options.take("max-size"), "max_files": options.take("max-file")}
        kept = {key: value for key, value in sizes.items() if value}
        if kept:
            made["log_files"] = kept
    else:
        context.say(f"logging: driver {driver} is not taken over; bgmon reads what Docker keeps in files", "log_files")
    return made
