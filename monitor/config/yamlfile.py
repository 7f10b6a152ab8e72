"""YAML with line numbers: the data, and on which line each key stands.

Booleans and numbers follow YAML 1.2, so that `heal: off` is the word "off" and `DEBUG: yes` stays "yes". A number or a
boolean keeps the letters it was written with (config.spelled). Whoever writes the file may be a stranger (a pull
request): its size, its depth and what its aliases expand to are bounded.
"""

from __future__ import annotations

import math
import re
from pathlib import Path as FilePath
from typing import Any, Final

import yaml

from monitor.config.spelled import SpelledBool, SpelledFloat, SpelledInt
from monitor.domain.printable import printable
from monitor.errors import ConfigError, Problem

Path = tuple[str | int, ...]
MAX_BYTES: Final = 4 * 1024 * 1024
MAX_NODES: Final = 200_000  # keys, values and containers, with every alias counted as what it stands for
MAX_DEPTH: Final = 100
_CHECKED_AHEAD: Final = 512 * 1024  # bytes; smaller texts cannot hold enough nodes to take long
_LONGEST_KEY: Final = 200
_MOST_PROBLEMS: Final = 100
_MOST_DIGITS: Final = 4300  # more are no number to Python; the text stays


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml's is eight times faster
    """SafeLoader with YAML 1.2's core schema; keys are always text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}

    def construct_int(self, node: yaml.ScalarNode) -> object:
        text = self.construct_scalar(node)
        if len(text) > _MOST_DIGITS:
            return text
        return SpelledInt(int(text, 0) if text.startswith(("0o", "0x")) else int(text), text)

    def construct_float(self, node: yaml.ScalarNode) -> object:
        text = self.construct_scalar(node)
        value = float(text)
        return SpelledFloat(value, text) if math.isfinite(value) else text

    def construct_bool(self, node: yaml.ScalarNode) -> object:
        text = self.construct_scalar(node)
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text[:40]!r} is no boolean")
        return SpelledBool(text.lower() == "true", text)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?[0-9]+$|^0o[0-7]+$|^0x[0-9a-fA-F]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("merge", r"^(?:<<)$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
for _tag, _constructor in (
    ("int", _Loader.construct_int),
    ("float", _Loader.construct_float),
    ("bool", _Loader.construct_bool),
):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _constructor)


class Document:
    """A parsed file: `data`, and the line of each key path."""

    def __init__(self, file: str, data: Any, lines: dict[Path, int]) -> None:
        self.file = file
        self.data = data
        self._lines = lines

    def line(self, path: Path) -> int:
        """The line of `path`, or of its nearest parent that stands in the file; 0 for the whole file."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return self._lines[path[:end]]
        return 0


def read_text(path: FilePath) -> str:
    """The text of a file, MAX_BYTES at most.

    Raises:
        ConfigError: it cannot be read, is no UTF-8 text, or is absurdly large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError([Problem(str(path), 0, "", f"is larger than {MAX_BYTES} bytes")])
        return data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), 0, "", "is not UTF-8 text")]) from None
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, "", f"cannot be read: {error.strerror}")]) from None


def parse(text: str, file: str) -> Document:
    """Parse YAML text.

    Raises:
        ConfigError: it is no YAML, holds a key twice, or is absurdly large, deep or repetitive.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError([Problem(file, 0, "", f"is larger than {MAX_BYTES} bytes")])
    if len(text) > _CHECKED_AHEAD:
        _count_events(text, file)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(file, None, {})
        _Extent(file).measure(node)
        lines: dict[Path, int] = {}
        problems: list[Problem] = []
        _walk(node, (), lines, problems, file)
        if problems:
            raise ConfigError(problems[:_MOST_PROBLEMS])
        return Document(file, loader.construct_document(node), lines)
    except yaml.YAMLError as error:
        raise _no_yaml(error, file) from None
    except RecursionError:
        raise ConfigError([Problem(file, 0, "", "is nested too deeply")]) from None
    except (ValueError, TypeError, AttributeError, MemoryError) as error:  # a tag that does not fit its value
        raise ConfigError([Problem(file, 0, "", f"is no YAML: {printable(str(error))}")]) from None
    finally:
        loader.dispose()


def _count_events(text: str, file: str) -> None:
    """Refuse a large text of far too many nodes before all of them are made."""
    loader = _Loader(text)
    try:
        for _ in range(3 * MAX_NODES):
            if loader.get_event() is None:
                return
    except yaml.YAMLError as error:
        raise _no_yaml(error, file) from None
    finally:
        loader.dispose()
    raise ConfigError([Problem(file, 0, "", f"holds more than {MAX_NODES} values")])


def _no_yaml(error: yaml.YAMLError, file: str) -> ConfigError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    message = printable(" ".join(part for part in parts if part) or str(error))
    return ConfigError([Problem(file, mark.line + 1 if mark else 0, "", f"is no YAML: {message}")])


class _Extent:
    """How many values a node stands for once its aliases are expanded, without expanding them."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._known: dict[yaml.Node, tuple[int, int]] = {}  # node -> (values, depth); nodes compare by identity
        self._open: set[yaml.Node] = set()

    def measure(self, node: yaml.Node) -> tuple[int, int]:
        """(values, depth). Raises ConfigError past a bound, or when a node is part of itself."""
        if isinstance(node, yaml.ScalarNode):
            return 1, 0
        if node in self._known:
            return self._known[node]
        if node in self._open:
            raise self._problem(node, "its alias stands for itself")
        self._open.add(node)
        values, depth = 1, 0
        for child in _children(node, self._file):
            more, deep = self.measure(child)
            values, depth = values + more, max(depth, deep + 1)
            if values > MAX_NODES:
                raise self._problem(child, f"holds more than {MAX_NODES} values once its aliases are expanded")
            if depth > MAX_DEPTH:
                raise self._problem(child, f"is nested deeper than {MAX_DEPTH} levels")
        self._open.discard(node)
        self._known[node] = (values, depth)
        return values, depth

    def _problem(self, node: yaml.Node, message: str) -> ConfigError:
        return ConfigError([Problem(self._file, node.start_mark.line + 1, "", message)])


def _children(node: yaml.Node, file: str) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(
                [Problem(file, key.start_mark.line + 1, "", "a key is plain text, no list and no mapping")]
            )
    return [child for pair in node.value for child in pair]


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], problems: list[Problem], file: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in seen:
                problems.append(Problem(file, line, dotted((*path, key)), "stands here a second time"))
            seen.add(key)
            lines[(*path, key)] = line
            _walk(value_node, (*path, key), lines, problems, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _walk(item, (*path, index), lines, problems, file)


def dotted(path: Path) -> str:
    """`services.core.route[0].host`, as messages show a path."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return printable(text, _LONGEST_KEY)
