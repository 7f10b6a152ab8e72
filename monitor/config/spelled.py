"""Numbers and booleans that remember how they were written, so that `1.10` and `01234` reach a text field unchanged."""

from __future__ import annotations

from typing import Any, Self


class Spelled:
    """A number or a boolean of a file: `str()` gives the letters it was written with."""

    text: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


class SpelledInt(Spelled, int):
    def __new__(cls, value: int, text: str) -> Self:
        made = super().__new__(cls, value)
        made.text = text
        return made


class SpelledFloat(Spelled, float):
    def __new__(cls, value: float, text: str) -> Self:
        made = super().__new__(cls, value)
        made.text = text
        return made


class SpelledBool(SpelledInt):
    """Python's bool has no subclasses; as a number it is still taken for a boolean by every field that wants one."""


def plain(value: Any) -> Any:
    """`value` as Python's own types, for libraries that look at them closely."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, SpelledBool):
        return bool(value)
    if isinstance(value, SpelledInt):
        return int(value)
    return float(value) if isinstance(value, SpelledFloat) else value


def as_written(value: Any) -> Any:
    """`value` with each number and boolean as the text that stands in the file."""
    if isinstance(value, dict):
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    return str(value) if isinstance(value, Spelled) else value
