"""Boards against the types of Grafana's own foundation SDK: no field that it does not know, none of another type.

The SDK serves these tests alone; boards are built without it.
"""

from __future__ import annotations

import enum
import json
import types
import typing
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.boards import boards_of, shop_site, strange_site

with warnings.catch_warnings():
    # It would rather have the second schema, which the oldest Grafana that boards are made for cannot read.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()
BOARDS = {
    f"{site.project}/{name}": board for site in (shop_site(), strange_site()) for name, board in boards_of(site).items()
}
# Read by Grafana though the SDK's types lack them: what Loki's and Prometheus' annotation editors write, and fields that
# are only there for older releases than the SDK is made for.
UNKNOWN_TO_SDK = {
    "style",  # dropped from the schema in Grafana 10.3
    "annotations.list[].tagKeys",
    "annotations.list[].textFormat",
    "annotations.list[].titleFormat",
    "annotations.list[].step",
}


def lost(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Paths of what went missing or changed on the way through the SDK."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            inner = f"{path}.{key}" if path else key
            if not isinstance(theirs, dict) or key not in theirs:
                if value not in (None, [], {}):
                    yield inner
            else:
                yield from lost(value, theirs[key], inner)
    elif isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            yield path
        else:
            for mine, other in zip(ours, theirs, strict=True):
                yield from lost(mine, other, f"{path}[]")
    elif ours != theirs:
        yield path


def wrong(value: Any, hint: Any, path: str) -> Iterator[str]:  # noqa: C901, PLR0912 - one branch for each form of a hint
    """Paths of values that are not of the type that the SDK says."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(value, dict) and hasattr(hint, "from_json"):  # the SDK leaves some parts as they came
        value = hint.from_json(value)
    if hint is Any or hint is object or (value is None and type(None) in args):
        yield from inside(value, path)
        return
    if origin in (typing.Union, types.UnionType):
        options = [option for option in args if option is not type(None)]
        own = [option for option in options if option is type(value)]
        tries = [list(wrong(value, option, path)) for option in own or options]
        if all(tries):
            yield from tries[0]
    elif origin in (list, dict):
        if not isinstance(value, origin):
            yield f"{path}: {value!r} is no {origin.__name__}"
        elif args:
            for item in value if origin is list else value.values():
                yield from wrong(item, args[-1], f"{path}[]")
    elif origin is typing.Literal:
        if value not in args:
            yield f"{path}: {value!r} is none of {args}"
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value not in [member.value for member in hint]:
            yield f"{path}: {value!r} is none of {[member.value for member in hint]}"
    elif hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{path}: {value!r} is no number"
    elif isinstance(hint, type) and not getattr(hint, "_is_protocol", False):
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            yield f"{path}: {value!r} is no {hint.__name__}"
        yield from inside(value, path)
    else:
        yield from inside(value, path)


def inside(value: Any, path: str) -> Iterator[str]:
    if type(value).__module__.startswith("grafana_foundation_sdk."):
        for name, hint in typing.get_type_hints(type(value)).items():
            yield from wrong(getattr(value, name, None), hint | None, f"{path}.{name}")


@pytest.mark.parametrize("name", BOARDS)
def test_the_sdk_knows_every_field(name: str) -> None:
    board = BOARDS[name]
    back = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(board)))
    assert set(lost(board, back)) <= UNKNOWN_TO_SDK


@pytest.mark.parametrize("name", BOARDS)
def test_every_value_has_the_type_of_the_sdk(name: str) -> None:
    assert list(inside(Dashboard.from_json(BOARDS[name]), "")) == []


def test_the_checks_find_mistakes() -> None:
    board = json.loads(json.dumps(next(iter(BOARDS.values()))))
    board["graphToolTip"] = 1
    board["refresh"] = 30
    board["panels"][1]["gridPos"]["w"] = "wide"
    board["panels"][1]["options"]["colorMode"] = "rainbow"
    made = Dashboard.from_json(board)
    assert "graphToolTip" in set(lost(board, json.loads(JSONEncoder().encode(made))))
    found = "\n".join(inside(made, ""))
    assert all(part in found for part in (".refresh", ".grid_pos.w", "rainbow"))
