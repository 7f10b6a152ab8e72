"""What every section of bgmon.yml is made of: strict models, durations, sizes and shares."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final

import durationpy
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from monitor.config.spelled import as_written
from monitor.domain.names import MAX_NAME, NAME_PATTERN, name_problem

MAX_PORT: Final = 65535
_HOST: Final = re.compile("[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?", re.IGNORECASE)
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


def as_argv(value: object) -> object:
    """A command given as one string runs through the image's shell, as in a Dockerfile."""
    return ["/bin/sh", "-c", value] if isinstance(value, str) else value


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
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
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


def parse_port(text: str, *, least: int = 1) -> int:
    """The number of a TCP port, in ASCII digits.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch("[0-9]{1,5}", text) or not least <= int(text) <= MAX_PORT:
        raise ValueError(f"{text!r} is no port from {least} to {MAX_PORT}")
    return int(text)


def parse_address(text: str, *, example: str, least: int = 1) -> tuple[str, int]:
    """`127.0.0.1:80`, `[::1]:80`, `*:80` or `name:80` as a host, without brackets, and a port of at least `least`.

    Raises:
        ValueError: it is none.
    """
    host, _, port = text.rpartition(":")
    try:
        bare = parse_host(host[1:-1] if host.startswith("[") else host)
        if (":" in bare) != (host == f"[{bare}]"):
            raise ValueError
        return bare, parse_port(port, least=least)
    except ValueError:
        raise ValueError(f"{text!r} is not of the form address:port, such as {example}") from None


def parse_host(text: str) -> str:
    """An IP address, `*` or a host's name.

    Raises:
        ValueError: it is none of them.
    """
    if text == "*" or (_HOST.fullmatch(text) and not re.fullmatch("[0-9.]*", text)):
        return text
    if "%" in text:
        raise ValueError(f"{text!r} has a zone: give the address alone")
    ipaddress.ip_address(text)
    return text


def one_word(text: str) -> str:
    """Printable ASCII without a space, not beginning with `-`: it can be an argument of a program.

    Raises:
        ValueError: it is something else.
    """
    if not re.fullmatch("[!-~]+", text) or text.startswith("-"):
        raise ValueError(f"{text!r} holds a space or a character that is no ASCII, or begins with -")
    return text


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
Word = Annotated[str, AfterValidator(one_word)]
Name = Annotated[str, BeforeValidator(parse_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
