"""Compose files of the shapes that people publish: nothing in them is lost without a word, and no secret is written."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.config.compose import from_compose
from monitor.errors import ConfigError

FILES = sorted((Path(__file__).parent.parent.parent / "data" / "compose").glob("*.yaml"))
# What means nothing where it stands: Compose's own defaults, what bgmon does anyway, and what is said twice.
NOTHING = re.compile(
    r"""volumes(\.[a-z]+)?  # declared, with nothing in it; see `bare`
    |services\.\w+\.restart
    |services\.\w+\.(networks\.default|expose|deploy|deploy\.replicas|logging\.driver)
    |services\.\w+\.depends_on\.\w+\.condition
    |services\.\w+\.(deploy\.)?labels\.traefik\.enable
    |services\.\w+\.healthcheck\.test\.[012]
    |services\.\w+\.volumes\.[0-9]\.(type|bind\.create_host_path)
    |volumes\.data\.external  # it has a name
    |networks\.default
    |services\.app\.labels\.traefik\.http\.routers\.app\.middlewares  # of one that is named itself
    |services\.app\.labels\.traefik\.http\.services\.app\.loadbalancer\.server\.port  # as `ports` has it
    |services\.app\.labels\.traefik\.http\.services\.app\.loadbalancer\.server\.port  # as `ports` has it
    |services\.ghost\.labels\.2  # of a router that is switched off
    """,
    re.VERBOSE,
)


class Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from paths_of(item, (*path, key))
    elif isinstance(value, list) and len(value) > 1:
        for index, item in enumerate(value):
            yield (*path, index)
            yield from paths_of(item, (*path, index))


def without(data: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(data)
    place = changed
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return changed


def test_there_are_thirty() -> None:
    assert len(FILES) >= 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_is_taken_and_no_secret_of_it_is_written(tmp_path: Path, path: Path) -> None:
    source = tmp_path / path.name
    source.write_text(path.read_text(encoding="utf-8"))
    text, notes = from_compose(source)
    assert "hunter2" not in text + "\n".join(notes)
    assert "project:" in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_key_is_lost_without_a_word(tmp_path: Path, path: Path) -> None:
    """Whatever is taken out of the file changes the outcome: each key does something here, or is named."""
    source = tmp_path / path.name
    data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)

    def outcome(given: Any) -> Any:
        source.write_text(yaml.dump(given, Dumper=Plain, sort_keys=False))
        try:
            return from_compose(source)
        except ConfigError as error:
            return str(error)

    whole = outcome(data)
    asked = [at for at in paths_of(data) if not str(at[0]).startswith("x-") or len(at) == 1]
    silent = {".".join(map(str, at)) for at in asked if outcome(without(data, at)) == whole}
    declared = data.get("volumes")
    bare = {f"volumes.{key}" for key, value in declared.items() if not value} if isinstance(declared, dict) else set()
    bare |= {"volumes"} if declared and len(bare) == len(declared) else set()
    for key in silent:
        assert NOTHING.fullmatch(key), key
        assert not key.startswith("volumes") or key in bare | {"volumes.data.external"}, key
