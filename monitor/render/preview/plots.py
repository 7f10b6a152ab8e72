"""Charts over time as SVG: lines, areas, bars, heatmaps and state timelines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from monitor.domain.boards.board import Panel
from monitor.domain.boards.drawing import PanelData, TimeRange, tone_of
from monitor.domain.boards.series import Series
from monitor.render.grafana.panels import STATE_WORDS
from monitor.render.preview.axes import ticks, times
from monitor.render.preview.look import DIM, GRID, TONES, colors, esc
from monitor.render.units import show

LEFT: Final = 62
BOTTOM: Final = 20
TOP: Final = 6
RIGHT: Final = 8
_LONGEST: Final = 28  # characters of a name beside a timeline
_CROWDED: Final = 8  # rows of a heatmap that all get a label
_GAP: Final = 2.5  # steps without a value before a line is broken
_TURBO: Final = (
    "#30123b",
    "#4458cb",
    "#3e9bfe",
    "#18d6cb",
    "#46f884",
    "#a2fc3c",
    "#e1dd37",
    "#fea632",
    "#f05b12",
    "#c42503",
)


class Frame:
    """From values to pixels."""

    def __init__(
        self, width: float, height: float, span: TimeRange, *, low: float = 0.0, high: float = 1.0, left: float = LEFT
    ) -> None:
        self.width, self.height, self.span, self.left = width, height, span, left
        self.low, self.high = low, high if high > low else low + 1
        self.bottom = height - BOTTOM

    def x(self, at: float) -> float:
        share = (at - self.span.start) / ((self.span.end - self.span.start) or 1)
        return self.left + share * (self.width - self.left - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - share * (self.bottom - TOP)

    def axes(self, marks: Sequence[tuple[float, str]]) -> str:
        out = []
        for value, text in marks:
            y = self.y(value)
            out.append(f'<path d="M{self.left} {y:.1f}H{self.width - RIGHT}" stroke="{GRID}"/>')
            out.append(_text(self.left - 6, y + 4, text, "end"))
        for at, text in times(self.span, max(2, int((self.width - self.left) / 95))):
            x = self.x(at)
            out.append(f'<path d="M{x:.1f} {TOP}V{self.bottom}" stroke="{GRID}"/>')
            if self.left + 12 < x < self.width - 16:
                out.append(_text(x, self.height - 4, text, "middle"))
        return "".join(out)


def _text(x: float, y: float, text: str, anchor: str, color: str = DIM) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{esc(text)}</text>'


def svg(width: float, height: float, inner: str) -> str:
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">{inner}</svg>'


def timeseries(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    panel, series = data.panel, data.series
    looks = colors(panel, series)
    stacked = _stacked(series, [dashed for _, dashed in looks]) if panel.stack else [None] * len(series)
    tops = [value for item, base in zip(series, stacked, strict=True) for value in _tops(item, base)]
    low = panel.min if panel.min is not None else min([0.0, *tops])
    high = panel.max if panel.max is not None else max(tops, default=1.0)
    marks = ticks(low, high or 1.0, max(2, int(height / 38)), binary=panel.unit == "bytes")
    frame = Frame(width, height, span, low=marks[0], high=marks[-1] if panel.max is None else high)
    out = [frame.axes([(mark, _tick(mark, marks, panel)) for mark in marks if mark <= frame.high * 1.0001])]
    for item, base, (color, dashed) in zip(series, stacked, looks, strict=True):
        if panel.bars:
            out.append(_bars(frame, item, base, color))
        else:
            out.append(_line(frame, item, base, color, dashed=dashed, fill=0.0 if dashed else 0.3 if base else 0.1))
    purple = TONES["purple"]
    out += [
        f'<path d="M{frame.x(at):.1f} {TOP}V{frame.bottom}" stroke="{purple}" stroke-dasharray="3 3"/>'
        for at in span.marks
    ]
    for step in panel.thresholds:
        if isinstance(step.value, float | int) and frame.low <= step.value <= frame.high:
            y = frame.y(step.value)
            out.append(
                f'<path d="M{LEFT} {y:.1f}H{width - RIGHT}" stroke="{TONES[step.color]}" stroke-dasharray="6 5"/>'
            )
    return svg(width, height, "".join(out))


def _tick(mark: float, marks: Sequence[float], panel: Panel) -> str:
    if panel.unit in ("none", "short", "reqps", "cps") and panel.decimals is None:
        return show(mark, panel.unit)
    step = marks[1] - marks[0]
    if panel.unit == "percentunit":
        return show(mark, panel.unit, decimals=max(0, -math.floor(math.log10(step * 100) + 1e-9)))
    return show(mark, panel.unit)


Stack = dict[float, float]


def _stacked(series: Sequence[Series], left_out: Sequence[bool]) -> list[Stack | None]:
    """What lies below each series at each time."""
    sums: Stack = {}
    made: list[Stack | None] = []
    for item, skip in zip(series, left_out, strict=True):
        if skip:
            made.append(None)
            continue
        made.append({at: sums.get(at, 0.0) for at, _ in item.points})
        for at, value in item.points:
            sums[at] = sums.get(at, 0.0) + (value if math.isfinite(value) else 0.0)
    return made


def _tops(item: Series, base: Stack | None) -> list[float]:
    return [value + (base or {}).get(at, 0.0) for at, value in item.points if math.isfinite(value)]


def _line(frame: Frame, item: Series, base: Stack | None, color: str, *, dashed: bool, fill: float) -> str:
    out = []
    for run in _runs(item):
        points = [(frame.x(at), frame.y(value + (base or {}).get(at, 0.0))) for at, value in run]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        if fill:
            floor = [(frame.x(at), frame.y((base or {}).get(at, max(0.0, frame.low)))) for at, _ in reversed(run)]
            under = "L".join(f"{x:.1f} {y:.1f}" for x, y in floor)
            out.append(f'<path d="M{path}L{under}Z" fill="{color}" fill-opacity="{fill}"/>')
        dash = ' stroke-dasharray="7 6"' if dashed else ""
        if len(points) == 1:
            out.append(f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2" fill="{color}"/>')
        out.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="1.4"{dash}/>')
    return "".join(out)


def _runs(item: Series) -> list[list[tuple[float, float]]]:
    """The points between gaps."""
    points = [(at, value) for at, value in item.points if math.isfinite(value)]
    step = min((after[0] - before[0] for before, after in pairwise(points)), default=1.0)
    runs: list[list[tuple[float, float]]] = []
    for at, value in points:
        if not runs or at - runs[-1][-1][0] > _GAP * step:
            runs.append([])
        runs[-1].append((at, value))
    return runs


def _bars(frame: Frame, item: Series, base: Stack | None, color: str) -> str:
    points = [(at, value) for at, value in item.points if math.isfinite(value) and value > 0]
    count = max(len(item.points), 1)
    wide = max(1.5, (frame.width - LEFT - RIGHT) / count * 0.8)
    return "".join(
        f'<rect x="{frame.x(at) - wide / 2:.1f}" width="{wide:.1f}" fill="{color}" fill-opacity="0.8" '
        f'y="{frame.y(value + (base or {}).get(at, 0.0)):.1f}" '
        f'height="{max(1.0, frame.y((base or {}).get(at, 0.0)) - frame.y(value + (base or {}).get(at, 0.0))):.1f}"/>'
        for at, value in points
    )


def heatmap(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    """Cumulative buckets as Prometheus has them; a cell is the difference to the bucket below."""
    rows = sorted(
        ((float(item.labels["le"]), item) for item in data.series if "le" in item.labels), key=lambda row: row[0]
    )
    frame = Frame(width, height, span, high=max(len(rows), 1))
    below: dict[float, float] = {}
    cells: list[tuple[int, float, float]] = []
    for index, (_, item) in enumerate(rows):
        for at, value in item.points:
            cells.append((index, at, value - below.get(at, 0.0)))
            below[at] = value
    most = max((count for _, _, count in cells), default=0.0) or 1.0
    columns = len(rows[0][1].points) if rows else 1
    wide, tall = (width - LEFT - RIGHT) / columns, (frame.bottom - TOP) / max(len(rows), 1)
    marks = [
        (index + 0.5, show(bound, data.panel.unit) if math.isfinite(bound) else "+Inf")
        for index, (bound, _) in enumerate(rows)
    ]
    out = [frame.axes(marks[:: 2 if len(marks) > _CROWDED else 1])]
    for index, at, count in cells:
        if count > most * 1e-4:
            shade = _TURBO[min(len(_TURBO) - 1, int((count / most) ** 0.5 * len(_TURBO)))]
            x = frame.x(at) - wide
            if x >= LEFT - 1:
                out.append(
                    f'<rect x="{x:.1f}" y="{frame.y(index + 1):.1f}" width="{wide:.1f}" height="{tall - 1:.1f}" '
                    f'fill="{shade}"/>'
                )
    return svg(width, height, "".join(out))


def timeline(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    panel = data.panel
    words = {word.value: word for word in (STATE_WORDS if panel.states else panel.words)}
    left = 16 + 6.5 * min(_LONGEST, max((len(item.name) for item in data.series), default=0))
    frame = Frame(width, height, span, high=max(len(data.series), 1), left=left)
    out = [frame.axes([])]
    for number, item in enumerate(data.series):
        top = frame.y(len(data.series) - number) + 3
        tall = frame.y(len(data.series) - number - 1) - top - 3
        out.append(_text(left - 8, top + tall / 2 + 4, item.name[-_LONGEST:], "end"))
        for start, end, value in _spells(item, span.end):
            word = words.get(value)
            color = TONES[word.color] if word else DIM
            x1, x2 = frame.x(max(start, span.start)), frame.x(end)
            out.append(
                f'<rect x="{x1:.1f}" y="{top:.1f}" width="{max(1.0, x2 - x1):.1f}" height="{tall:.1f}" '
                f'fill="{color}" fill-opacity="0.8"/>'
            )
            text = word.text if word else f"{value:g}"
            if x2 - x1 > 8 * len(text):
                out.append(_text(x1 + 6, top + tall / 2 + 4, text, "start", "#111217"))
    return svg(width, height, "".join(out))


def _spells(item: Series, end: float) -> list[tuple[float, float, float]]:
    """(from, to, value) of every stretch with the same value."""
    spells: list[tuple[float, float, float]] = []
    for at, value in item.points:
        if not math.isfinite(value):
            continue
        if spells and spells[-1][2] == value:
            spells[-1] = (spells[-1][0], at, value)
        else:
            if spells:
                spells[-1] = (spells[-1][0], at, spells[-1][2])
            spells.append((at, at, value))
    if spells:
        spells[-1] = (spells[-1][0], end, spells[-1][2])
    return spells


def sparkline(item: Series, width: float, height: float, span: TimeRange, color: str) -> str:
    values = item.values
    if len(values) < 2:  # noqa: PLR2004
        return ""
    low, high = min(values), max(values)
    room = (high - low) or abs(high) or 1.0
    points = [
        ((at - span.start) / (span.end - span.start) * width, height - (value - low) / room * height * 0.8 - 2)
        for at, value in item.points
        if math.isfinite(value)
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    inner = (
        f'<path d="M{path}L{points[-1][0]:.1f} {height}L{points[0][0]:.1f} {height}Z" '
        f'fill="{color}" fill-opacity="0.15"/>'
        f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="1.2"/>'
    )
    return svg(width, height, inner)


def gauge(item: Series, panel: Panel, width: float, height: float) -> str:
    """A half ring with the thresholds outside, and the value in the middle."""
    value = item.last or 0.0
    low, high = panel.min or 0.0, panel.max if panel.max is not None else 1.0
    share = min(1.0, max(0.0, (value - low) / (high - low)))
    radius = max(20.0, min(width / 2 - 14, height - 26))
    cx, cy = width / 2, min(height - 10, radius + 10)
    color = TONES[tone_of(value, panel.thresholds, "green")]
    thick = radius * 0.26
    ring = Ring(cx, cy, radius - 6 - thick / 2, thick)
    out = [ring.arc(0, 1, "#2a2d34"), ring.arc(0, share, color)]
    outer = Ring(cx, cy, radius, 4)
    steps = [step for step in panel.thresholds if step.value is None or isinstance(step.value, float | int)]
    for index, step in enumerate(steps):
        start = 0.0 if not isinstance(step.value, float | int) else (step.value - low) / (high - low)
        after = steps[index + 1].value if index + 1 < len(steps) else high
        stop = ((after if isinstance(after, float | int) else high) - low) / (high - low)
        out.append(outer.arc(start, stop, TONES[step.color]))
    size = max(14.0, radius * 0.36)
    text = esc(show(item.last, panel.unit, decimals=panel.decimals))
    out.append(
        f'<text x="{cx:.1f}" y="{cy - 4:.1f}" text-anchor="middle" fill="{color}" '
        f'style="font-size:{size:.0f}px">{text}</text>'
    )
    return svg(width, height, "".join(out))


class Ring:
    """Half a ring around (cx, cy), from the left over the top to the right."""

    def __init__(self, cx: float, cy: float, radius: float, thick: float) -> None:
        self.cx, self.cy, self.radius, self.thick = cx, cy, radius, thick

    def arc(self, start: float, stop: float, color: str) -> str:
        """From one share of the half ring to another."""
        if stop <= start:
            return ""
        (x1, y1), (x2, y2) = self._point(start), self._point(stop)
        size = f"{self.radius:.1f}"
        return (
            f'<path d="M{x1:.1f} {y1:.1f}A{size} {size} 0 0 1 {x2:.1f} {y2:.1f}" fill="none" stroke="{color}" '
            f'stroke-width="{self.thick:.1f}"/>'
        )

    def _point(self, share: float) -> tuple[float, float]:
        angle = math.pi * share
        return self.cx - self.radius * math.cos(angle), self.cy - self.radius * math.sin(angle)
