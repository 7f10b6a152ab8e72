"""Panels as lines of text: braille lines, blocks and shades.

A line is a list of (text, style), with styles as rich has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from monitor.domain.boards.board import PanelType, Tone
from monitor.domain.boards.drawing import PanelData, TimeRange, tone_of
from monitor.domain.boards.series import Series
from monitor.render.grafana.panels import STATE_WORDS, paint_of
from monitor.render.units import show

Segment = tuple[str, str]
Line = list[Segment]

STYLES: Final[dict[Tone, str]] = {
    "green": "green",
    "yellow": "yellow",
    "orange": "dark_orange",
    "red": "red",
    "blue": "blue",
    "purple": "magenta",
    "text": "",
    "transparent": "",
}
_PALETTE: Final = ("green", "blue", "dark_orange", "magenta", "yellow", "cyan")
# Dots of a braille cell by (column, row): https://www.unicode.org/charts/PDF/U2800.pdf
_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_SHADES: Final = " ░▒▓█"
_AXIS: Final = 13
_NAMES: Final = 5


def lines(data: PanelData, width: int, height: int, span: TimeRange) -> list[Line]:
    """At most `height` lines of `width` columns for what has an axis; stats and tables take what they need."""
    if data.problem:
        return [[(data.problem[:width], "dim")]]
    if data.panel.type in ("logs", "text") or not any(item.values for item in data.series):
        return [[("no data", "dim")]]
    return _DRAWN[data.panel.type](data, width, height, span)


def _chart(data: PanelData, width: int, height: int, span: TimeRange) -> list[Line]:
    panel, room = data.panel, max(8, width - _AXIS)
    values = [value for item in data.series for value in item.values]
    low = panel.min if panel.min is not None else min(0.0, *values)
    high = panel.max if panel.max is not None else max(values)
    high = high if high > low else low + (abs(low) or 1.0)
    named = min(len(data.series), _NAMES)
    rows = max(3, height - named - 1)
    masks = [[0] * room for _ in range(rows)]
    styles = [[""] * room for _ in range(rows)]
    for number, item in enumerate(data.series):
        for x, y in _dots(item, room * 2, rows * 4, span, (low, high)):
            masks[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
            styles[y // 4][x // 2] = _style(data, item, number)
    out: list[Line] = []
    for row in range(rows):
        at = high - (high - low) * row / max(1, rows - 1)
        label = show(at, panel.unit, decimals=panel.decimals or None) if row % 2 == 0 or row == rows - 1 else ""
        cells = zip(masks[row], styles[row], strict=True)
        line: Line = [(f"{label:>{_AXIS - 2}} ", "dim")]
        out.append(_joined(line + [(chr(0x2800 + mask) if mask else " ", style) for mask, style in cells]))
    return out + [_legend(data, item, number) for number, item in enumerate(data.series[:_NAMES])]


def _dots(item: Series, wide: int, tall: int, span: TimeRange, bounds: tuple[float, float]) -> list[tuple[int, int]]:
    """The pixels of a line, with what lies between two points filled in."""
    low, high = bounds
    dots: list[tuple[int, int]] = []
    before: tuple[int, int] | None = None
    for at, value in item.points:
        if not math.isfinite(value) or not span.start <= at <= span.end:
            before = None
            continue
        x = min(wide - 1, int((at - span.start) / (span.end - span.start) * wide))
        y = tall - 1 - min(tall - 1, max(0, round((value - low) / (high - low) * (tall - 1))))
        if before is not None:
            steps = max(abs(x - before[0]), abs(y - before[1]), 1)
            dots += [
                (before[0] + (x - before[0]) * step // steps, before[1] + (y - before[1]) * step // steps)
                for step in range(1, steps)
            ]
        dots.append((x, y))
        before = (x, y)
    return dots


def _style(data: PanelData, item: Series, number: int) -> str:
    paint = paint_of(data.panel, item.name)
    return STYLES[paint.color] if paint else _PALETTE[number % len(_PALETTE)]


def _legend(data: PanelData, item: Series, number: int) -> Line:
    panel = data.panel
    values = item.values or [math.nan]
    text = f"{item.name}  {show(values[-1], panel.unit, decimals=panel.decimals)}"
    most = show(max(values), panel.unit, decimals=panel.decimals)
    return [(" " * (_AXIS - 1), ""), ("━ ", _style(data, item, number)), (text, ""), (f"  max {most}", "dim")]


def _joined(line: Line) -> Line:
    """Neighbours of one style as one segment."""
    out: Line = []
    for text, style in line:
        if out and (out[-1][1] == style or not text.strip()):
            out[-1] = (out[-1][0] + text, out[-1][1])
        else:
            out.append((text, style))
    return out


def _stat(data: PanelData, width: int, height: int, span: TimeRange) -> list[Line]:
    del width
    panel = data.panel
    words = {word.value: word for word in (STATE_WORDS if panel.states else panel.words)}
    out: list[Line] = []
    for item in data.series[:height]:
        value = item.last
        if value is None:
            continue
        word = words.get(value)
        default: Tone = "text" if panel.thresholds else "green"
        style = STYLES[word.color if word else tone_of(value, panel.thresholds, default)]
        text = word.text if word else show(value, panel.unit, decimals=panel.decimals, now=span.end)
        line: Line = [(item.name if panel.names else text, f"bold {style}".strip())]
        if len(data.series) > 1 and not panel.names:
            line.append((f" {item.name}", "dim"))
        out.append(line)
    return out


def _gauge(data: PanelData, width: int, height: int, span: TimeRange) -> list[Line]:
    del span
    panel, room = data.panel, max(4, width - 9)
    low, high = panel.min or 0.0, panel.max if panel.max is not None else 1.0
    out: list[Line] = []
    for item in data.series[:height]:
        value = item.last or 0.0
        full = round(min(1.0, max(0.0, (value - low) / (high - low))) * room)
        style = STYLES[tone_of(value, panel.thresholds, "green")]
        text = show(value, panel.unit, decimals=panel.decimals)
        out.append([("█" * full, style), ("░" * (room - full), "dim"), (f" {text}", f"bold {style}")])
    return out


def _heatmap(data: PanelData, width: int, height: int, span: TimeRange) -> list[Line]:
    rows = sorted(
        ((float(item.labels["le"]), item) for item in data.series if "le" in item.labels), key=lambda row: row[0]
    )
    room = max(8, width - _AXIS)
    sums: dict[int, float] = {}
    grid: list[tuple[float, list[float]]] = []
    for bound, item in rows:
        cells = [0.0] * room
        for at, value in item.points:
            if math.isfinite(value) and span.start <= at <= span.end:
                cells[min(room - 1, int((at - span.start) / (span.end - span.start) * room))] += value
        grid.append((bound, [max(0.0, cell - sums.get(x, 0.0)) for x, cell in enumerate(cells)]))
        sums = dict(enumerate(cells))
    used = [index for index, (_, cells) in enumerate(grid) if max(cells) > 0]
    shown = grid[used[0] : used[-1] + 1] if used else grid
    most = max((cell for _, cells in shown for cell in cells), default=0.0) or 1.0
    out: list[Line] = []
    for bound, cells in reversed(shown[-max(height, 4) :]):
        label = show(bound, data.panel.unit) if math.isfinite(bound) else "+Inf"
        marks = "".join(_SHADES[math.ceil((cell / most) ** 0.5 * (len(_SHADES) - 1))] for cell in cells)
        out.append([(f"{label:>{_AXIS - 2}} ", "dim"), (marks, "dark_orange")])
    return out


def _timeline(data: PanelData, width: int, height: int, span: TimeRange) -> list[Line]:
    panel = data.panel
    words = {word.value: word for word in (STATE_WORDS if panel.states else panel.words)}
    name = max(len(item.name) for item in data.series)
    room = max(8, width - name - 2)
    out: list[Line] = []
    for item in data.series[:height]:
        cells: list[Segment] = [("·", "dim")] * room
        for at, value in item.points:
            if span.start <= at <= span.end and math.isfinite(value):
                word = words.get(value)
                x = min(room - 1, int((at - span.start) / (span.end - span.start) * room))
                cells[x] = ("█", STYLES[word.color] if word else "dim")
        for x in range(1, room):  # a value lasts until the next one
            if cells[x][0] == "·" and cells[x - 1][0] == "█":
                cells[x] = cells[x - 1]
        last = words.get(item.last) if item.last is not None else None
        out.append(_joined([(f"{item.name:>{name}} ", "dim"), *cells]))
        if last is not None and height > len(data.series):
            out.append([(" " * (name + 1), ""), (f"now: {last.text}", STYLES[last.color])])
    return out


def _bars(data: PanelData, width: int, height: int, span: TimeRange) -> list[Line]:
    del span
    items = sorted(data.series, key=lambda item: -(item.last or 0))[:height]
    names = [next(iter(item.labels.values()), item.name) for item in items]
    wide = max(len(name) for name in names)
    most = max(item.last or 0 for item in items) or 1
    room = max(4, width - wide - 10)
    return [
        [
            (f"{name:>{wide}} ", ""),
            ("█" * max(1, round((item.last or 0) / most * room)), "blue"),
            (f" {show(item.last, data.panel.unit, decimals=data.panel.decimals)}", ""),
        ]
        for name, item in zip(names, items, strict=True)
    ]


def _table(data: PanelData, width: int, height: int, span: TimeRange) -> list[Line]:
    """One line for each set of labels, with the columns in words."""
    del width
    rows: dict[str, list[str]] = {}
    looks = {column.name: column for column in data.panel.columns}
    for query, answer in zip(data.panel.queries, data.answers, strict=True):
        column = looks.get(query.column)
        for item in answer:
            key = " ".join(text for _, text in sorted(item.labels.items(), reverse=True))
            word = next((word for word in column.words if word.value == item.last), None) if column else None
            unit = column.unit if column and column.unit else "none"
            decimals = column.decimals if column else None
            text = word.text if word else show(item.last, unit, decimals=decimals, now=span.end)
            rows.setdefault(key, []).append(f"{query.column} {text}")
    return [[(f"{key}: ", "bold"), (", ".join(cells), "")] for key, cells in sorted(rows.items())][: height + 4]


_DRAWN: Final[dict[PanelType, Callable[[PanelData, int, int, TimeRange], list[Line]]]] = {
    "timeseries": _chart,
    "stat": _stat,
    "gauge": _gauge,
    "heatmap": _heatmap,
    "state-timeline": _timeline,
    "bar": _bars,
    "table": _table,
}
