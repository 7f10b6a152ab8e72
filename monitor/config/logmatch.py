"""Conditions on log lines as a person writes them."""

from __future__ import annotations

from monitor.domain.logs.match import Condition, Match
from monitor.domain.logs.rules import json_path

Value = str | bool | int | float
ConditionText = str | dict[str, Value | tuple[Value, ...]]


def condition(text: ConditionText) -> Condition:
    """The condition that is meant.

    >>> condition({"level": ["error", 50], "contains": "db"})[1]
    Match(contains='db', pattern='', field='', values=())

    Raises:
        ValueError: it says nothing, or its pattern is no RE2.
    """
    if isinstance(text, str):
        text = {"contains": text}
    if not text:
        raise ValueError("a condition needs a field, `contains` or `matches`")
    return tuple(_part(name, value) for name, value in text.items())


def _part(name: str, value: Value | tuple[Value, ...]) -> Match:
    if name not in {"contains", "matches"}:
        if not json_path(name):
            raise ValueError(f"{name!r} names no field")
        values = tuple(map(_text, value)) if isinstance(value, tuple) else (_text(value),)
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


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)
