"""The inside of one panel as HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

from monitor.domain.boards.board import Column, PanelType, Threshold, Word
from monitor.domain.boards.drawing import PanelData, TimeRange, tone_of
from monitor.domain.boards.series import Series
from monitor.render.grafana.panels import STATE_WORDS
from monitor.render.preview import plots
from monitor.render.preview.look import PALETTE, TONES, colors, esc
from monitor.render.units import show

_ERROR: Final = re.compile(r'error|failed|"status":5')
_LEGEND_ROW: Final = 19
_MOST_LEGEND: Final = 5
_WORST_STATES: Final = 4


def body(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    """`width` and `height` are the pixels there are."""
    if data.problem:
        return f'<div class="none">{esc(data.problem)}</div>'
    if data.panel.type == "text":
        return f'<div class="none">{esc(data.panel.text)}</div>'
    if not any(series.values for series in data.series):
        return '<div class="none">No data</div>'
    return _BODIES[data.panel.type](data, width, height, span)


def _timeseries(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    rows = data.series[:_MOST_LEGEND]
    legend = "".join(
        f'<tr><td><i style="background:{color}"></i>{esc(item.name)}</td>{_numbers(data, item)}</tr>'
        for item, (color, _) in zip(rows, colors(data.panel, data.series), strict=False)
    )
    chart = plots.timeseries(data, width, height - _LEGEND_ROW * (len(rows) + 1) - 4, span)
    head = "<tr><th>Name</th><th>Mean</th><th>Max</th><th>Last</th></tr>"
    return f'{chart}<table class="legend">{head}{legend}</table>'


def _numbers(data: PanelData, item: Series) -> str:
    values = item.values or [math.nan]
    shown = (sum(values) / len(values), max(values), values[-1])
    return "".join(f"<td>{esc(show(value, data.panel.unit, decimals=data.panel.decimals))}</td>" for value in shown)


def _stat(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    panel = data.panel
    items = [item for item in data.series if item.last is not None]
    words = {word.value: word for word in (STATE_WORDS if panel.states else panel.words)}
    out = []
    for number, item in enumerate(items[:_WORST_STATES]):
        text, color = _said(item, data, words, span)
        if panel.names:
            text, color = item.name, TONES["green"] if number == 0 else PALETTE[number]
        several = len(items) > 1 and not panel.names
        name = f'<div class="name">{esc(item.name)}</div>' if several else ""
        each = width / min(len(items), _WORST_STATES)
        size = max(15.0, min(height * (0.3 if several else 0.42), 1.4 * each / max(len(text), 4)))
        look = f"background:{color};color:#111217" if panel.states else f"color:{color}"
        spark = ""
        if panel.sparkline and not panel.states and not panel.words and not panel.names:
            spark = plots.sparkline(item, each, height * 0.4, span, color)
        out.append(
            f'<div class="stat" style="{look}">{name}<b style="font-size:{size:.0f}px">{esc(text)}</b>'
            f'<div class="spark">{spark}</div></div>'
        )
    return f'<div class="stats">{"".join(out)}</div>'


def _said(item: Series, data: PanelData, words: dict[float, Word], span: TimeRange) -> tuple[str, str]:
    value = item.last or 0.0
    word = words.get(value)
    if word is not None:
        return word.text, TONES[word.color]
    text = show(value, data.panel.unit, decimals=data.panel.decimals, now=span.end)
    return text, TONES[tone_of(value, data.panel.thresholds, "text" if data.panel.thresholds else "green")]


def _gauge(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    del span
    shown = data.series[:3]
    return (
        '<div class="stats">'
        + "".join(plots.gauge(item, data.panel, width / len(shown), height) for item in shown)
        + "</div>"
    )


def _heatmap(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    return plots.heatmap(data, width, height, span)


def _timeline(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    return plots.timeline(data, width, height, span)


def _bar(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    del width, height, span
    items = sorted(data.series, key=lambda item: -(item.last or 0))
    most = max((item.last or 0 for item in items), default=1) or 1
    rows = "".join(
        f'<div class="bar"><span>{esc(next(iter(item.labels.values()), item.name))}</span>'
        f'<i style="width:{(item.last or 0) / most * 100:.1f}%;background:{PALETTE[1]}"></i>'
        f"<b>{esc(show(item.last, data.panel.unit, decimals=data.panel.decimals))}</b></div>"
        for item in items
    )
    return f'<div class="bars">{rows}</div>'


def _table(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    del width, height
    panel = data.panel
    rows: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for query, answer in zip(panel.queries, data.answers, strict=True):
        for item in answer:
            key = tuple(sorted((name, text) for name, text in item.labels.items() if not name.startswith("__")))
            rows.setdefault(key, {})[query.column] = item.last if item.last is not None else math.nan
    looks = {column.name: column for column in panel.columns}
    labels = [column for column in panel.columns if not column.hide and any(column.name in dict(key) for key in rows)]
    columns = [query.column for query in panel.queries if not looks.get(query.column, Column(name="")).hide]
    head = "".join(f"<th>{esc(text)}</th>" for text in [*(column.title or column.name for column in labels), *columns])
    lines = []
    for key, values in sorted(rows.items(), key=lambda row: row[0][::-1]):
        known = dict(key)
        cells = "".join(
            f'<td class="{"link" if column.board else ""}">{esc(known.get(column.name, ""))}</td>' for column in labels
        )
        cells += "".join(_cell(values.get(name), looks.get(name) or Column(name=name), span) for name in columns)
        lines.append(f"<tr>{cells}</tr>")
    return f'<table class="table"><tr>{head}</tr>{"".join(lines)}</table>'


def _cell(value: float | None, column: Column, span: TimeRange) -> str:
    if value is None or not math.isfinite(value):
        return "<td></td>"
    word = next((word for word in column.words if word.value == value), None)
    steps: tuple[Threshold, ...] = column.thresholds
    color = TONES[word.color] if word else TONES[tone_of(value, steps)]
    text = word.text if word else show(value, column.unit or "none", decimals=column.decimals, now=span.end)
    return f'<td style="color:{color}">{esc(text)}</td>'


def _logs(data: PanelData, width: float, height: float, span: TimeRange) -> str:
    del width, height, span
    rows = []
    for item in data.series:
        line = item.labels.get("line", "")
        color = TONES["red"] if _ERROR.search(line) else TONES["yellow"] if "warn" in line else TONES["green"]
        rows.append(f'<div style="border-color:{color}">{esc(line)}</div>')
    return f'<div class="logs">{"".join(rows)}</div>'


_BODIES: Final[dict[PanelType, Callable[[PanelData, float, float, TimeRange], str]]] = {
    "timeseries": _timeseries,
    "stat": _stat,
    "gauge": _gauge,
    "heatmap": _heatmap,
    "bar": _bar,
    "table": _table,
    "logs": _logs,
    "state-timeline": _timeline,
}
