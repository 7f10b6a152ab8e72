"""Volumes, secrets and networks of a service by the names that they really have on the host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from monitor.config.compose.file import ComposeFile, Context
from monitor.config.compose.ledger import Ledger, items, shown, truth

_WINDOWS: Final = re.compile(r"[A-Za-z]:(?:\\|/[^:]*:/)")  # x:/data is a volume called x


def real_name(file: ComposeFile, part: str, key: str) -> str:
    """What Compose calls the volume or network `key`: `<project>_<key>`, unless the file says otherwise."""
    declared = file.parts[part].get(key)
    declared = declared if isinstance(declared, dict) else {}
    external = declared.get("external")
    if isinstance(external, Mapping):
        return str(external.get("name") or key)
    if declared.get("name"):
        return str(declared["name"])
    return key if truth(external) else f"{file.project}_{key}"


def volumes(context: Context, source: Ledger) -> tuple[list[str], dict[str, str]]:
    """Binds, and temporary file systems by their path, out of `volumes`, `tmpfs`, `secrets` and `configs`."""
    binds: list[str] = []
    memory: dict[str, str] = {}
    for item in items(source.take("volumes")):
        if isinstance(item, dict):
            _long(context, Ledger(item, "volumes."), binds, memory)
        else:
            _short(context, str(item), binds)
    for item in items(source.take("tmpfs")):
        path, _, options = str(item).partition(":")
        memory[path] = options
    for part, place in (("secrets", "/run/secrets/"), ("configs", "/")):
        for item in items(source.take(part)):
            _file(context, part, place, item, binds)
    return list(dict.fromkeys(binds)), memory


def _short(context: Context, text: str, binds: list[str]) -> None:
    drive = _WINDOWS.match(text)
    start, colon, rest = text.partition(":") if not drive else ("", "", "")
    if drive or not colon:
        what = "is a Windows path" if drive else "is an anonymous volume, whose data nobody finds again"
        context.say(f"volumes: {text} {what}: give it a name if it is to be kept", "volumes")
        return
    bind = _source(context, start)
    if bind:
        binds.append(f"{bind}:{rest}")


def _source(context: Context, start: str) -> str:
    """What stands before the colon of a bind; empty when nothing can."""
    if start.startswith(("/", "${")):
        return start
    if start.startswith("~"):
        context.say(f"volumes: {start} is in somebody's home folder: write the whole path", "volumes")
        return ""
    if start.startswith("."):
        path = str((context.folder / start).resolve())
        context.say(f"volumes: {start} is {path} on this machine; other hosts need it too", "volumes")
        return path
    real = real_name(context.file, "volumes", start)
    declared = context.file.parts["volumes"].get(start)
    rest = declared if isinstance(declared, dict) else {}
    more = [shown(key, value) for key, value in sorted(rest.items()) if key not in ("name", "external")]
    made = f"; Compose made it with {', '.join(more)}, bgmon would not" if more else ""
    context.say(f"volumes: {start} is Compose's volume {real}, with what is in it{made}", "volumes")
    return real


def _long(context: Context, item: Ledger, binds: list[str], memory: dict[str, str]) -> None:
    kind, start, target = (
        str(item.take("type") or "volume"),
        item.take("source") or item.take("src"),
        item.take("target"),
    )
    target = target or item.take("destination") or item.take("dst")
    mode = ":ro" if truth(item.take("read_only")) else ""
    if kind == "tmpfs" and target:
        options = item.section("tmpfs")
        given = {key: options.take(key) for key in ("size", "mode")}
        memory[str(target)] = ",".join(f"{key}={value}" for key, value in given.items() if value)
    elif kind in ("volume", "bind") and start and target:
        relative = kind == "bind" and not str(start).startswith(("/", ".", "~", "${"))
        bind = _source(context, f"./{start}" if relative else str(start))
        if bind:
            binds.append(f"{bind}:{target}{mode}")
        item.section("bind").take("create_host_path")  # the engine does that anyway
    else:
        context.say(f"volumes: {target or start} of type {kind} is not taken over", "volumes")
    left = item.left()
    if left:
        context.say(f"not taken over for {target}: {', '.join(left)}", "volumes")


def _file(context: Context, part: str, place: str, item: Any, binds: list[str]) -> None:
    """A secret or config whose content is a file comes as Compose brings it: mounted, for reading."""
    given = Ledger(item if isinstance(item, dict) else {"source": item}, f"{part}.")
    key = str(given.take("source"))
    target = str(given.take("target") or key)
    declared = context.file.parts[part].get(key)
    path = declared.get("file") if isinstance(declared, dict) else None
    if not path:
        how = f": {shown(key, declared)}" if declared else ""
        context.say(f"{part}: {key} is no file that could be mounted: not taken over{how}", "volumes")
        return
    whole = (
        path if str(path).startswith(("/", "${")) else str((context.file.where[f"{part}.{key}"] / str(path)).resolve())
    )
    inside = target if target.startswith("/") else f"{place}{target}"
    binds.append(f"{whole}:{inside}:ro")
    lost = given.left()
    rights = f"; not taken over: {', '.join(lost)}" if lost else ""
    context.say(f"{part}: {key} is mounted from {whole}, with the rights that it has there{rights}", "volumes")


def networks(context: Context, source: Ledger) -> list[str]:
    """Networks that are there without Compose; its own are replaced by the project's."""
    given = source.take("networks")
    joined: list[str] = []
    own: list[str] = []
    for key in given if isinstance(given, dict | list) else items(given):
        declared = context.file.parts["networks"].get(str(key))
        declared = declared if isinstance(declared, dict) else {}
        more = sorted(given[key]) if isinstance(given, dict) and isinstance(given[key], dict) else []
        if more:
            context.say(f"networks: not taken over of {key}: {', '.join(more)}", "networks")
        if declared.get("external"):
            joined.append(real_name(context.file, "networks", str(key)))
        else:
            own.append(str(key))
    for key in own or ["default"]:
        declared = context.file.parts["networks"].get(key)
        if isinstance(declared, dict) and declared:
            context.say(f"networks: not taken over: {shown(key, declared)}", "networks")
    if own and own != ["default"]:
        context.say(f"networks: {', '.join(own)}: Compose's own; here all services of a project share one", "networks")
    return joined
