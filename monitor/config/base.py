"""What every section of bgmon.yml is made of: strict models, durations, sizes and shares."""

from __future__ import annotations

import re
from typing import Annotated, Final

import durationpy
from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from monitor.config.spelled import as_written
from monitor.domain.names import MAX_NAME, NAME_PATTERN, name_problem

_SIZE: Final = re.compile(r"^(\d+(?:\.\d+)?)\s*([kmgt]?)b?$", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_LARGEST: Final = 2**63 - 1  # bytes, what the engine's API can say
_SIZE_FACTORS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


class Model(BaseModel):
    """A section: unknown keys are errors, values never change after loading.

    Where a field wants text, a number or a boolean of a file becomes what was written there (config.spelled).
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        defer_build=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
    )


def parse_duration(value: object) -> float:
    """Seconds out of `500ms`, `30s`, `5m`, `1h30m`; a bare 0 is allowed, any other bare number is not.

    Raises:
        ValueError: it is no duration, or a negative one.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a duration is written like 500ms, 30s, 5m or 1h30m")
    if type(value) is float:  # already seconds: a default, or a policy read back
        return value
    text = str(value).strip()
    if text == "0":
        return 0.0
    if _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]} has no unit: write {text[:40]}s or {text[:40]}m")
    try:
        seconds = durationpy.from_str(text).total_seconds()
    except (durationpy.DurationError, ValueError, OverflowError):
        raise ValueError(f"{text[:80]!r} is no duration: write 500ms, 30s, 5m or 1h30m") from None
    if seconds < 0:
        raise ValueError(f"{text!r} is negative")
    return float(seconds)


def parse_size(value: object) -> int:
    """Bytes out of `512m`, `2g` or a number of bytes; factors are powers of 1024, as Docker reads them.

    Raises:
        ValueError: it is no size.
    """
    value = as_written(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a size is written like 512m or 2g")
    size = float(match[1]) * _SIZE_FACTORS[match[2].lower()]
    if size > _LARGEST:
        raise ValueError(f"{match[0][:40]!r} is larger than any machine")
    return int(size)


def parse_share(value: object) -> float:
    """A share between 0 and 1 out of `1%`, `0.5%` or `0.01`.

    Raises:
        ValueError: it is no share, or outside 0 to 100 %.
    """
    share: float
    try:
        value = as_written(value)
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
        raise ValueError(f"{str(value)[:40]} is outside 0% to 100%")
    return share


def parse_name(value: object) -> str:
    """A project's or service's name.

    Raises:
        ValueError: with what is wrong with it.
    """
    value = as_written(value)
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:80]!r} is no name: quote it")
    problem = name_problem(value)
    if problem:
        raise ValueError(f"{value if len(value) <= MAX_NAME else value[:MAX_NAME] + '…'!r} {problem}")
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
