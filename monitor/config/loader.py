"""From a file to a checked `Config`, with messages that name file, line, key and the nearest valid key."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from monitor.config.oneline import broken_lines
from monitor.config.roles import expand
from monitor.config.schema import Config
from monitor.config.substitution import Substitution
from monitor.config.yamlfile import Document, Path, dotted, parse, read_text
from monitor.domain.printable import printable
from monitor.errors import ConfigError, Problem, UsageError

DEFAULT_FILE: Final = "bgmon.yml"
_MOST_PROBLEMS: Final = 100  # more help nobody, and finding the nearest key for each takes long
_LONGEST_MESSAGE: Final = 1200


def find_file(given: str | None) -> FilePath:
    """The configuration file: the one given, else bgmon.yml here or in a parent folder.

    Raises:
        UsageError: there is none.
    """
    if given is not None:
        path = FilePath(given)
        if not path.is_file():
            raise UsageError(
                f"{given}: no such file", hint="name the file with --config, or write one with: bgmon init"
            )
        return path
    here = FilePath.cwd()
    for folder in (here, *here.parents):
        if (folder / DEFAULT_FILE).is_file():
            return folder / DEFAULT_FILE
    raise UsageError(f"no {DEFAULT_FILE} here or in a parent folder", hint="write one with: bgmon init")


def load_file(path: FilePath, environ: Mapping[str, str] | None = None) -> Config:
    """Read and check one configuration file; `${VAR}` comes from `environ`, by default the process's own.

    Raises:
        ConfigError: with every problem found.
    """
    return load_text(read_text(path), str(path), os.environ if environ is None else environ)


def load_builds(path: FilePath, environ: Mapping[str, str] | None = None) -> Config:
    """What images are built of: `project`, and each service's `image` and `build`; only their variables must be set.

    Raises:
        ConfigError: with every problem found in them.
    """
    document = parse(read_text(path), str(path))
    data = document.data if isinstance(document.data, dict) else {}
    services = data.get("services")
    if isinstance(services, dict):
        kept = {
            name: {key: section[key] for key in ("image", "build", "like") if key in section}
            if isinstance(section, dict)
            else section
            for name, section in services.items()
        }
        document.data = {key: data[key] for key in ("project",) if key in data} | {"services": kept}
    return _checked(document, os.environ if environ is None else environ)


def load_text(text: str, file: str, environ: Mapping[str, str]) -> Config:
    """As `load_file`, from text."""
    return _checked(parse(text, file), environ)


def _checked(document: Document, environ: Mapping[str, str]) -> Config:
    file = document.file
    if not isinstance(document.data, dict):
        hint = "write one with: bgmon init"
        raise ConfigError([Problem(file, 0, "", "holds no settings: `project` and `services` are needed")], hint=hint)
    unlike = expand(document)
    if unlike:
        raise ConfigError(unlike[:_MOST_PROBLEMS])
    substitution = Substitution(document, environ)
    data = substitution.apply(document.data)
    if substitution.problems:
        raise ConfigError(substitution.problems, hint="set the variables, or write $${ for a literal ${")
    broken = [Problem(file, document.line(path), dotted(path), message) for path, message in broken_lines(data)]
    if broken:
        raise ConfigError(
            broken[:_MOST_PROBLEMS], hint="a text after | or > ends with a line end, one after |- does not"
        )
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        places = [path_of(dict(item)) for item in error.errors(include_url=False, include_input=False)]
        problems = zip(problems_of(document, error, Config), places, strict=False)
        raise ConfigError([substitution.mask(problem, path) for problem, path in problems]) from None
    return config.with_variables(substitution.secrets, substitution.sealed, substitution.exposed)


def problems_of(document: Document, error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """What pydantic found about `document`, which should have been a `model`; the first hundred of it."""
    found = error.errors(include_url=False, include_input=False)
    return [problem_of(document, dict(item), model) for item in found[:_MOST_PROBLEMS]]


def problem_of(document: Document, error: dict[str, Any], model: type[BaseModel]) -> Problem:
    """One of pydantic's findings about `document`, which should have been a `model`, as a message for people."""
    path = path_of(error)
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):  # of a model, of a dataclass
        message = "unknown key" + _nearest(str(path[-1]), known_keys(path[:-1], model))
    elif error["type"] == "missing":
        message = "is missing"
    return Problem(
        document.file, document.line(path), dotted(path), printable(message[:1].lower() + message[1:], _LONGEST_MESSAGE)
    )


def path_of(error: Mapping[str, Any]) -> Path:
    """Where in the file one of pydantic's findings is."""
    return tuple(part for part in error["loc"] if part != "[key]")


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known here: {', '.join(known)}" if known else ""


def known_keys(path: Path, model: type[BaseModel] = Config) -> list[str]:
    """The keys that the schema of `model` allows at `path`."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})

    def resolve(node: dict[str, Any]) -> dict[str, Any]:
        while True:
            if "$ref" in node:
                node = definitions[node["$ref"].rpartition("/")[2]]
            elif "anyOf" in node and "properties" not in node:
                node = next((option for option in node["anyOf"] if option.get("type") != "null"), {})
            else:
                return node

    node = resolve(schema)
    for part in path:
        if isinstance(part, int):
            node = resolve(node.get("items", {}))
        elif part in node.get("properties", {}):
            node = resolve(node["properties"][part])
        elif isinstance(node.get("additionalProperties"), dict):
            node = resolve(node["additionalProperties"])
        elif isinstance(node.get("patternProperties"), dict):
            node = resolve(next(iter(node["patternProperties"].values())))
        else:
            return []
    return sorted(node.get("properties", {}))
