"""Statuses, durations and paths out of single values, exactly as the LogQL form reads them."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from monitor.domain.logs.counts import NANOS, le_text
from monitor.domain.logs.formats import Unit
from monitor.domain.logs.patterns import CLOCK, DECIMAL_COMMA, GO_DURATION, NUMBER, STATUS, TIMES
from monitor.domain.logs.rules import MAX_SECONDS, PER_SECOND, bound_in_unit

# These run on short values alone, and no part of them can match the same text in two ways.
_NUMBER: Final = re.compile(rf"(?:{NUMBER})\Z", re.ASCII)
_STATUS: Final = re.compile(rf"{STATUS}\Z", re.ASCII)
_GO_DURATION: Final = re.compile(rf"(?:{GO_DURATION.replace('{b5}', 'b5').replace('x{3bc}', 'u03bc')})\Z", re.ASCII)
_COMMA: Final = re.compile(rf"(?:{DECIMAL_COMMA})\Z", re.ASCII)
_TIMES: Final = re.compile(rf"(?:{TIMES})\Z", re.ASCII)
_CLOCK: Final = re.compile(rf"(?:{CLOCK})\Z", re.ASCII)
_GO_PART: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?([a-zµμ]+)")
_GO_UNITS: Final = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 10**6,
    "s": NANOS,
    "m": 60 * NANOS,
    "h": 3600 * NANOS,
}


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit with the histogram's bounds in it."""

    unit: Unit
    bounds: tuple[float, ...]
    labels: tuple[str, ...]
    most: float
    nanos: int
    """Nanoseconds in one of the unit; Go durations are read as seconds."""

    def label(self, value: float) -> str:
        """The smallest bound that holds a duration."""
        return self.labels[bisect_left(self.bounds, value)]

    def total(self, values: list[float]) -> int:
        """Their sum in nanoseconds."""
        return round(math.fsum(values) * self.nanos)


def scale(unit: Unit, buckets: tuple[float, ...]) -> Scale:
    return Scale(
        unit,
        tuple(float(bound_in_unit(bound, unit)) for bound in buckets),
        (*(le_text(bound) for bound in buckets), le_text(math.inf)),
        float(MAX_SECONDS * PER_SECOND[unit]),
        NANOS // PER_SECOND[unit],
    )


def status_of(value: object) -> str:
    """The status as three digits; empty when it is none."""
    if isinstance(value, str):
        return value if _STATUS.match(value) else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(int(value)) if 100 <= value < 600 and value == math.floor(value) else ""  # noqa: PLR2004


def duration_of(value: object, unit: Unit, most: float) -> tuple[float | None, str]:
    """A duration in its unit (Go's form in seconds), or None and why there is none."""
    if value is None or (isinstance(value, str) and value in {"", "-"}):
        return None, "there is none"
    number: float | None = None
    if isinstance(value, str):
        number = _from_text(value, unit)
    elif unit != "duration" and isinstance(value, int | float) and not isinstance(value, bool):
        number = float(min(max(value, -1), 2 * most))  # the largest integers have no float
    if number is None:
        return None, f"{_short(value)} is no " + ("Go duration such as 12ms" if unit == "duration" else "number")
    if not 0 <= number <= most:
        return None, f"{_short(value)} is " + ("negative" if number < 0 else "longer than a year")
    return number, ""


def _from_text(text: str, unit: Unit) -> float | None:
    """A number in the unit, or text that brings its own."""
    if unit == "duration":
        return _own_unit(text)
    if _NUMBER.match(text):
        return float(text)
    if _COMMA.match(text):
        return float(text.replace(",", "."))
    if _TIMES.match(text):
        return _sum_of(text)
    seconds = _own_unit(text)
    if seconds is None or PER_SECOND[unit] == 1:
        return seconds
    return float(Decimal(repr(seconds)) * PER_SECOND[unit])  # as sprig's mulf does


def _own_unit(text: str) -> float | None:
    """Seconds of `12ms`, `12 ms`, `PT0.012S` and `00:00:00.012`."""
    plain = text.replace(" ", "").removeprefix("PT").lower()
    plain = _CLOCK.sub(r"\1h\2m\3s", plain)
    return go_seconds(plain) if _GO_DURATION.match(plain) and (plain != "0" or text == "0") else None


def _sum_of(text: str) -> float | None:
    """What several upstreams took in all; None where none of them answered."""
    times = [time for time in re.split(", | : ", text) if time != "-"]
    total = 0.0
    for time in times:
        total = float(Decimal(repr(total)) + Decimal(repr(float(time))))
    return total if times else None


def go_seconds(text: str) -> float:
    """Seconds of a duration in Go's form, computed as Go's time package does: whole nanoseconds, cut off."""
    nanos = 0
    for whole, fraction, unit in _GO_PART.findall(text):
        size = _GO_UNITS[unit]
        nanos += int(whole) * size
        if fraction:
            nanos += int(float(int(fraction)) * (size / float(10 ** len(fraction))))
    return float(nanos // NANOS) + (nanos % NANOS) / 1e9


def plain_path(value: object) -> str:
    """The path without its query."""
    return value.partition("?")[0] if isinstance(value, str) else ""


def load_json(line: bytes) -> Any:
    """A line as JSON the way Go's encoding/json takes it; None for what is none.

    Two things differ from msgspec: bad UTF-8 and lone surrogates are replaced, numbers too large are dropped.
    """
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(line.decode("utf-8", "replace"), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        return None


_decode: Final = msgspec.json.Decoder().decode


def _no_constant(text: str) -> object:
    raise ValueError(text)


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004
