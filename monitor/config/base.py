"""What every section of bgmon.yml is made of: strict models, durations, sizes and shares."""

from __future__ import annotations

import re
from typing import Annotated, Final

import durationpy
from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from monitor.domain.names import NAME_PATTERN, name_problem

_SIZE: Final = re.compile(r"^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$", re.IGNORECASE)
_SIZE_FACTORS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


class Model(BaseModel):
    """A section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, defer_build=True)


def parse_duration(value: object) -> float:
    """Seconds out of `500ms`, `30s`, `5m`, `1h30m`; a bare 0 is allowed, any other bare number is not.

    Raises:
        ValueError: it is no duration, or a negative one.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a duration is written like 500ms, 30s, 5m or 1h30m")
    if isinstance(value, float):  # already seconds: a default, or a policy read back
        return value
    if value in (0, "0"):
        return 0.0
    if isinstance(value, int):
        raise ValueError(f"{value} has no unit: write {value}s or {value}m")
    try:
        seconds = durationpy.from_str(value.strip()).total_seconds()
    except (durationpy.DurationError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is no duration: write 500ms, 30s, 5m or 1h30m") from None
    if seconds < 0:
        raise ValueError(f"{value!r} is negative")
    return float(seconds)


def parse_size(value: object) -> int:
    """Bytes out of `512m`, `2g` or a number of bytes; factors are powers of 1024, as Docker reads them.

    Raises:
        ValueError: it is no size.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a size is written like 512m or 2g")
    return int(float(match[1]) * _SIZE_FACTORS[match[2].lower()])


def parse_share(value: object) -> float:
    """A share between 0 and 1 out of `1%`, `0.5%` or `0.01`.

    Raises:
        ValueError: it is no share, or outside 0 to 100 %.
    """
    share: float
    try:
        if isinstance(value, str):
            text = value.strip()
            share = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(text)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            share = float(value)
        else:
            raise TypeError
    except (TypeError, ValueError):
        raise ValueError("a share is written like 1% or 0.01") from None
    if not 0 <= share <= 1:
        raise ValueError(f"{value} is outside 0% to 100%")
    return share


def parse_name(value: object) -> str:
    """A project's or service's name.

    Raises:
        ValueError: with what is wrong with it.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no name: quote it")
    problem = name_problem(value)
    if problem:
        raise ValueError(f"{value!r} {problem}")
    return value


Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"type": ["string", "number"], "examples": ["30s", "5m"]})
]
Size = Annotated[
    int, BeforeValidator(parse_size), WithJsonSchema({"type": ["string", "integer"], "examples": ["512m"]})
]
Share = Annotated[
    float, BeforeValidator(parse_share), WithJsonSchema({"type": ["string", "number"], "examples": ["1%"]})
]
Name = Annotated[str, BeforeValidator(parse_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
