"""Parts that roles and accessories share: environment, options of `docker run`, logging."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

from monitor.config.compose.ledger import Ledger, items, looks_secret
from monitor.config.kamal.file import text_of
from monitor.domain.digits import digits

Say = Callable[[str, str], None]

_LIMITS: Final = {"memory": "memory", "cpus": "cpus", "pids-limit": "pids"}
_LISTS: Final = {
    "cap-add": "cap_add", "cap-drop": "cap_drop", "device": "devices", "dns": "dns", "dns-search": "dns_search",
    "group-add": "group_add", "security-opt": "security_opt",
}  # fmt: skip
_TEXTS: Final = {
    "hostname": "hostname", "domainname": "domainname", "ipc": "ipc_mode", "pid": "pid_mode", "platform": "platform",
    "runtime": "runtime", "shm-size": "shm_size", "stop-signal": "stop_signal", "userns": "userns_mode",
    "workdir": "working_dir", "memory-reservation": "mem_reservation", "memory-swap": "memswap_limit",
}  # fmt: skip
_SIZES: Final = ("shm_size", "mem_reservation", "memswap_limit")
_PAIRS: Final = {
    "add-host": ("extra_hosts", ":"),
    "sysctl": ("sysctls", "="),
    "label": ("labels", "="),
    "tmpfs": ("tmpfs", ":"),
}
_RESTARTS: Final = ("always", "unless-stopped")
_SHELL: Final = re.compile(r"[;&|<>`]|\$\(")


def environment(*given: Any) -> tuple[dict[str, str], list[str], list[str]]:
    """`env`, `secrets` and what was plain and looks like a secret, out of sections of which later ones win."""
    env: dict[str, str] = {}
    secrets: dict[str, None] = {}
    plain: dict[str, None] = {}
    for section in given:
        if not isinstance(section, Mapping):
            continue
        split = "clear" in section or "secret" in section or "tags" in section
        clear = section.get("clear") if split else section
        for key, value in clear.items() if isinstance(clear, Mapping) else ():
            text = text_of(value)
            secrets.pop(key, None)
            plain.pop(key, None)
            env.pop(key, None)
            if text and not text.startswith("${") and looks_secret(key, text):
                plain[key] = None
                secrets[key] = None
            else:
                env[key] = text
        for item in items(section.get("secret")) if split else ():
            name, colon, other = str(item).partition(":")
            secrets.pop(name, None)
            env.pop(name, None)
            plain.pop(name, None)
            if colon and other != name:
                env[name] = f"${{{other}}}"  # one secret under another name
            else:
                secrets[name] = None
    return env, list(secrets), list(plain)


def take_environment(section: dict[str, Any], say: Say, *given: Any) -> None:
    env, secrets, plain = environment(*given)
    if env:
        section["env"] = env
    if secrets:
        section["secrets"] = secrets
        say(
            f"env: {', '.join(secrets)}: set them in the environment or in .bgmon/secrets; .kamal/secrets is not read",
            "secrets",
        )
    if plain:
        say(f"env: {', '.join(plain)} stood there in plain text and became secrets", "secrets")
    aliased = [name for name, value in env.items() if value.startswith("${") and looks_secret(name, "")]
    if aliased:
        say(f"env: {', '.join(aliased)} is filled from a variable of the environment", "env")


def take_options(section: dict[str, Any], given: Any, say: Say) -> None:
    """Options of `docker run` as keys of the section; those that have no like are named."""
    source = Ledger(given, "options.")
    limits = {ours: _one(value) for flag, ours in _LIMITS.items() if (value := source.take(flag)) is not None}
    if limits:
        section["limits"] = limits
    docker = _engine_options(source)
    if docker:
        section["docker"] = docker
    if (value := source.take("user")) is not None:
        section["user"] = _one(value)
    for flag, ours in (("read-only", "read_only"), ("init", "init")):
        if (value := source.take(flag)) is not None:
            section[ours] = text_of(value) == "true"
    more = [text_of(item) for flag in ("volume", "v") for item in items(source.take(flag))]
    if more:
        section["volumes"] = [*section.get("volumes", []), *more]
    networks = [text_of(item) for item in items(source.take("network"))]
    if networks in (["host"], ["none"]):
        say(f"options.network: {networks[0]} is not taken over: the proxy reaches containers by a network", "networks")
    elif networks:
        section["networks"] = networks
    restart = source.take("restart")
    if restart is not None and restart not in _RESTARTS:
        say(f"options.restart: {text_of(restart)}: bgmon keeps its services running, as with unless-stopped", "heal")
    if left := source.left():
        say(f"not taken over: {', '.join(left)}", "docker")


def _engine_options(source: Ledger) -> dict[str, Any]:
    docker: dict[str, Any] = {}
    for flag, ours in _LISTS.items():
        if (value := source.take(flag)) is not None:
            docker[ours] = [text_of(item) for item in items(value)]
    for flag, ours in _TEXTS.items():
        if (value := source.take(flag)) is not None:
            text = _one(value)
            docker[ours] = int(text) if ours in _SIZES and digits(text) else text
    for flag, (ours, sign) in _PAIRS.items():
        for item in items(source.take(flag)):
            text = text_of(item)
            key, _, value = text.partition("=" if ours == "extra_hosts" and "=" in text else sign)
            docker.setdefault(ours, {})[key] = value
    if (value := source.take("ulimit")) is not None:
        docker["ulimits"] = [_ulimit(text_of(item)) for item in items(value)]
    if (value := source.take("entrypoint")) is not None:
        docker["entrypoint"] = [_one(value)]
    if source.take("privileged"):
        docker["privileged"] = True
    return docker


def _one(value: Any) -> str:
    return text_of(items(value)[-1]) if items(value) else ""


def _ulimit(text: str) -> dict[str, Any]:
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    made: dict[str, Any] = {"name": name}
    for side, value in (("soft", soft), ("hard", hard or soft)):
        if digits(value.removeprefix("-")):
            made[side] = int(value)
    return made


def take_logging(section: dict[str, Any], given: Any, say: Say) -> None:
    source = Ledger(given, "logging.")
    driver, options = source.take("driver"), source.section("options")
    if driver in (None, "json-file", "local"):
        sizes = {"max_size": options.take("max-size"), "max_files": options.take("max-file")}
        kept = {key: text_of(value) for key, value in sizes.items() if value is not None}
        if kept:
            section["log_files"] = kept
    else:
        say(f"logging: driver {driver} is not taken over; bgmon reads what Docker keeps in files", "log_files")
    if left := source.left():
        say(f"not taken over: {', '.join(left)}", "log_files")


def take_command(section: dict[str, Any], given: Any, say: Say) -> None:
    if given is None:
        return
    text = text_of(given)
    try:
        section["command"] = shlex.split(text)
    except ValueError:
        say(f"cmd: {text} has an open quote and is not taken over", "command")
        return
    if _SHELL.search(text):
        say(f"cmd: a shell on the host read it there ({text}); here it is words: see whether it needs sh -c", "command")
