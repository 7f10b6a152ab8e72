"""Conditions on a line: which lines are requests (`logs.only`), and which are counted as events (`logs.count`).

Every part of a condition must hold. What both forms, Python and LogQL, keep to:

- A value given as text is compared with text, numbers and booleans of JSON alike: `503` is `"503"`, `true` is `"true"`.
- `http.log.access*` is any value that begins so, `*` any value at all, and an empty text a field that is missing,
  null or empty.
- Text is looked for in the line as it is written; patterns are RE2 and match anywhere in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from monitor.domain.logs.patterns import NUMBER

_NUMBER: Final = re.compile(rf"(?:{NUMBER})\Z", re.ASCII)
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Match:
    """One part of a condition: `contains` or `pattern` for the line, or `field` with the `values` it may have."""

    contains: str = ""
    pattern: str = ""
    field: str = ""
    values: tuple[str, ...] = ()

    def words(self) -> str:
        """As a person would say it."""
        if self.contains:
            return f"it does not hold {self.contains!r}"
        return f"it does not match {self.pattern!r}" if self.pattern else f"{self.field} is none of {list(self.values)}"


Condition = tuple[Match, ...]


def fields_of(condition: Condition) -> Condition:
    """The parts that look at a field, in their order."""
    return tuple(part for part in condition if part.field)


def exact(value: str) -> bool:
    """Whether it stands for one value only."""
    return not value.endswith(ANY)


def holds(values: tuple[str, ...], found: object) -> bool:
    """Whether a field that holds `found` has one of the values; None is a field that is missing."""
    if found is None or found == "":
        return "" in values
    if isinstance(found, bool):
        return any(value == ANY or value.lower() == str(found).lower() for value in values)
    if isinstance(found, int | float):
        return any(value == ANY or (_NUMBER.match(value) and float(value) == found) for value in values)
    if isinstance(found, str):
        return any(found.startswith(value[:-1]) if value.endswith(ANY) else found == value for value in values)
    return ANY in values


def like_pattern(values: tuple[str, ...]) -> str:
    """RE2 for a label that has one of the values, anchored by whoever uses it."""
    return "|".join(
        ".+" if value == ANY else _literal(value[:-1]) + ".*" if value.endswith(ANY) else _literal(value)
        for value in values
    )


def _literal(text: str) -> str:
    return re.sub(r"([^A-Za-z0-9_\-])", r"\\\1", text)
