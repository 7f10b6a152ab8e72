"""Numbers with units as Grafana would write them, for boards drawn elsewhere."""

from __future__ import annotations

import math
from typing import Final

from monitor.domain.health.causes import span

_BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SHORT: Final = ("", "K", "M", "G", "T")
_NOTHING: Final = 1e-9
_KIBI: Final = 1024.0
_KILO: Final = 1000.0
_SUFFIXES: Final = {"reqps": " req/s", "cps": " c/s", "ops": " ops/s", "percent": "%"}


def show(value: float | None, unit: str, *, decimals: int | None = None, now: float = 0.0) -> str:
    """`35 ms`, `1.2 GiB`, `0.3%`. `now`, unix seconds, is needed for times that are shown as an age."""
    if value is None or not math.isfinite(value):
        return "-"
    match unit:
        case "percentunit":
            text = f"{_digits(value * 100, decimals)}%"
        case "s":
            text = _seconds(value, decimals)
        case "bytes":
            text = _scaled(value, _KIBI, _BYTES, decimals=decimals, gap=" ")
        case "dateTimeFromNow":
            age = now - value / _KILO
            text = f"{span(age)} ago" if age >= 1 else "just now"
        case "none":
            text = _digits(value, decimals)
        case _:
            text = _scaled(value, _KILO, _SHORT, decimals=decimals, gap="") + _SUFFIXES.get(unit, "")
    return text


def _seconds(value: float, decimals: int | None) -> str:
    size = abs(value)
    if size < _NOTHING:
        return "0 s"
    for limit, factor, name in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (60.0, 1.0, "s"), (3600.0, 1 / 60, "min")):
        if size < limit:
            return f"{_digits(value * factor, decimals)} {name}"
    return f"{_digits(value / 3600, decimals)} h" if size < 86400 else f"{_digits(value / 86400, decimals)} d"  # noqa: PLR2004


def _scaled(value: float, base: float, names: tuple[str, ...], *, decimals: int | None, gap: str) -> str:
    size, index = abs(value), 0
    while size >= base and index < len(names) - 1:
        size, index = size / base, index + 1
    text = _digits(math.copysign(size, value), decimals)
    return f"{text}{gap}{names[index]}" if names[index] else text


def _digits(value: float, decimals: int | None) -> str:
    """Three significant digits, or the decimals asked for."""
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if value == 0:
        return "0"
    places = max(0, min(4, 2 - math.floor(math.log10(abs(value)))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
