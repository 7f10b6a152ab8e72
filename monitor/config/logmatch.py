"""Conditions on log lines as a person writes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from monitor.config.spelled import as_written
from monitor.domain.logs.match import Condition, Match
from monitor.domain.logs.rules import json_path

Value = str | tuple[str, ...]
ConditionText = Annotated[str | dict[str, Value], BeforeValidator(as_written)]


def condition(text: str | dict[str, Value]) -> Condition:
    """The condition that is meant.

    >>> condition({"level": ("error", "50"), "contains": "db"})[1]
    Match(contains='db', pattern='', field='', values=())

    Raises:
        ValueError: it says nothing, or its pattern is no RE2.
    """
    if isinstance(text, str):
        text = {"contains": text}
    if not text:
        raise ValueError("a condition needs a field, `contains` or `matches`")
    return tuple(_part(name, value) for name, value in text.items())


def _part(name: str, value: Value) -> Match:
    if name not in {"contains", "matches"}:
        if not json_path(name):
            raise ValueError(f"{name!r} names no field")
        values = value if isinstance(value, tuple) else (value,)
        if not values:
            raise ValueError(f"{name}: give at least one value")
        return Match(field=name, values=values)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: give a text")
    if name == "contains":
        return Match(contains=value)
    from monitor.domain.logs.text import compile_re2

    try:
        compile_re2(value)
    except ValueError as error:
        raise ValueError(f"matches: it is no RE2 pattern: {error}") from None
    return Match(pattern=value)
