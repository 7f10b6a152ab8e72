"""Variables of a service: what is plain stays, what is secret becomes a name under `secrets`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from monitor.config.compose.file import Context
from monitor.config.compose.ledger import Ledger, items, looks_secret, pairs, truth
from monitor.config.compose.variables import env_lines
from monitor.config.yamlfile import read_text
from monitor.errors import ConfigError

_VARIABLE: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LEGAL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def environment(context: Context, source: Ledger) -> dict[str, Any]:
    """`env` and `secrets` out of `environment` and the files of `env_file`; no secret's value is among them."""
    values = _files(context, source.take("env_file"))
    values |= pairs(source.take("environment"))
    env: dict[str, str] = {}
    secrets: list[str] = []
    origins: list[str] = []
    for key, value in values.items():
        if value != "" and looks_secret(key, value or "") and _LEGAL.fullmatch(key):
            secrets.append(key)
            used = [item for item in _VARIABLE.findall(value or "") if item != key]
            origins += [f"{key} from {', '.join(used)}"] if used else []
        else:
            env[key] = f"${{{key}}}" if value is None else value
    if secrets:
        how = f" (Compose makes {'; '.join(origins)})" if origins else ""
        context.say(
            f"{', '.join(secrets)} became secrets: set them in the environment or in .bgmon/secrets{how}",
            "secrets",
        )
    section: dict[str, Any] = {}
    if env:
        section["env"] = env
    if secrets:
        section["secrets"] = secrets
    return section


def _files(context: Context, given: Any) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for item in items(given):
        entry = item if isinstance(item, Mapping) else {"path": item}
        path = context.folder / str(entry.get("path"))
        raw = entry.get("format") == "raw"
        try:
            read = env_lines(read_text(path))
        except ConfigError as error:
            needed = "" if truth(entry.get("required", "true")) else " (which is not required)"
            why = error.problems[0].message
            context.say(f"env_file: {entry.get('path')}{needed} {why}: its variables are missing here", "env")
            continue
        values |= {
            key: value if value is None else value.replace("${", "$${") if raw else context.file.variables.text(value)
            for key, value in read.items()
        }
        context.say(
            f"env_file: the variables of {entry.get('path')} stand here; later changes of it do not come along",
            "env",
        )
    return values
