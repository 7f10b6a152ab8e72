"""Catalogues: folders of YAML files, the shipped one and a user's that adds to it or replaces files of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from monitor.config.loader import problems_of
from monitor.config.yamlfile import Document, parse, read_text
from monitor.errors import ConfigError, Problem

M = TypeVar("M", bound=BaseModel)


def catalogue_files(*folders: Path) -> list[Path]:
    """The YAML files, folder by folder and by name; one of a later folder stands for one of the same name before it.

    Raises:
        ConfigError: a folder is none.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError([Problem(str(folder), 0, "", "is no folder")])
        for path in sorted(folder.iterdir()):
            if path.suffix in (".yaml", ".yml"):
                found.pop(path.stem, None)
                found[path.stem] = path
    return list(found.values())


def load_catalogue(model: type[M], *folders: Path) -> list[tuple[Document, M]]:
    """Every file as a `model`, with the document that tells the line of a key.

    Raises:
        ConfigError: with every problem found in any file: file, line, key, and the nearest valid key.
    """
    loaded: list[tuple[Document, M]] = []
    problems: list[Problem] = []
    for path in catalogue_files(*folders):
        try:
            document = parse(read_text(path), str(path))
            loaded.append((document, model.model_validate({} if document.data is None else document.data)))
        except ConfigError as error:
            problems.extend(error.problems)
        except ValidationError as error:
            problems.extend(problems_of(document, error, model))
    raise_for(problems)
    return loaded


def raise_for(problems: Sequence[Problem]) -> None:
    """Raise ConfigError when there are any."""
    if problems:
        raise ConfigError(list(problems))
