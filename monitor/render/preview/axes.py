"""Where ticks stand."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from monitor.domain.boards.drawing import TimeRange

_SPANS: Final = (5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
_DAY: Final = 86400


def ticks(low: float, high: float, wanted: int = 4, *, binary: bool = False) -> list[float]:
    """About `wanted` round numbers from `low` to at least `high`; powers of two when `binary`."""
    width = (high - low) or abs(high) or 1.0
    raw = width / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    if binary:
        step = 2.0 ** math.ceil(math.log2(raw))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def times(span: TimeRange, wanted: int) -> list[tuple[float, str]]:
    """Round times in the span with their labels, in UTC."""
    raw = (span.end - span.start) / wanted
    step = next((seconds for seconds in _SPANS if seconds >= raw), _SPANS[-1])
    form = "%m-%d" if step >= _DAY else "%H:%M:%S" if step < 60 else "%H:%M"  # noqa: PLR2004
    first = math.ceil(span.start / step) * step
    marks = range(int(first), int(span.end) + 1, step)
    return [(float(at), datetime.fromtimestamp(at, tz=UTC).strftime(form)) for at in marks]
