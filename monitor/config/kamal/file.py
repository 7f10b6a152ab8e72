"""A Kamal file with its destination, as Ruby's YAML reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from monitor.config.compose.ledger import WHOLE, Notes
from monitor.config.kamal.erb import without_ruby
from monitor.config.yamlfile import parse, read_text
from monitor.errors import ConfigError, Problem, UsageError


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml's
    """YAML 1.1, as Ruby's: `yes` is a boolean, `010` is eight, `12:30` is a time of day in seconds."""

    def construct_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node)).replace("_", "")
        if ":" not in text:
            return int(self.construct_yaml_int(node))
        return sum(int(part) * 60 ** abs(place - 2) for place, part in enumerate(text.split(":")))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)


def read_kamal(path: Path, destination: str | None, notes: Notes) -> dict[str, Any]:
    """The merged file.

    Raises:
        UsageError: it cannot be read.
        ConfigError: it is no Kamal file, or Ruby decides what stands in it.
    """
    data = _load(path, notes)
    if destination is not None:
        data = merged(data, _load(path.with_suffix(f".{destination}{path.suffix}"), notes))
    if "service" not in data:
        raise ConfigError([Problem(str(path), 0, "service", "is missing: this is no Kamal file")])
    return data


def _load(path: Path, notes: Notes) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path}: No such file")

    def say(text: str) -> None:
        notes.add(WHOLE, f"{path.name}, {text}")

    text = without_ruby(read_text(path), path.name, say)
    parse(text, str(path))  # for its bounds and its messages
    data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    if not isinstance(data, dict):
        raise ConfigError([Problem(str(path), 0, "service", "is missing: this is no Kamal file")])
    return {text_of(key): _texts(value) for key, value in data.items()}


def _texts(value: Any) -> Any:
    """Keys as texts, all else as it is."""
    if isinstance(value, dict):
        return {text_of(key): _texts(item) for key, item in value.items()}
    return [_texts(item) for item in value] if isinstance(value, list) else value


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """As Kamal merges: mappings are joined, all else replaced."""
    both = dict(base)
    for key, value in more.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def text_of(value: Any) -> str:
    """A value as Ruby would put it into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
