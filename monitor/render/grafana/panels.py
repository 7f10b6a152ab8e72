"""One panel of each type as Grafana's JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from monitor.domain.boards.board import Column, Paint, Panel, PanelType, Threshold, Tone, Word
from monitor.domain.health.watch import STATES, HealthState
from monitor.render.grafana.variables import LOKI, PROMETHEUS

COLORS: Final[dict[Tone, str]] = {
    "green": "green",
    "yellow": "yellow",
    "orange": "orange",
    "red": "red",
    "blue": "blue",
    "purple": "purple",
    "text": "text",
    "transparent": "transparent",
}
STATE_TONES: Final[dict[HealthState, Tone]] = {
    "unknown": "text",
    "starting": "blue",
    "healthy": "green",
    "degraded": "yellow",
    "unhealthy": "red",
    "crash-looping": "red",
    "quarantined": "red",
    "stopped": "text",
    "deploying": "blue",
    "missing": "red",
}
STATE_WORDS: Final = tuple(Word(value=code, text=state, color=STATE_TONES[state]) for code, state in enumerate(STATES))
_TOOLTIP: Final = {"mode": "multi", "sort": "desc"}


def panel_json(panel: Panel, targets: Sequence[dict[str, Any]], board_link: Callable[[str], str]) -> dict[str, Any]:
    """The panel without id and position; `board_link` gives the address of a service's board."""
    loki = any(target["datasource"] is LOKI for target in targets)
    if panel.type == "text":
        return {**_head(panel, None), "options": {"mode": "markdown", "content": panel.text}, "targets": []}
    made = {
        **_head(panel, LOKI if loki else PROMETHEUS),
        "targets": list(targets),
        "fieldConfig": {"defaults": _defaults(panel), "overrides": [*_paints(panel), *_columns(panel, board_link)]},
        "options": _OPTIONS[panel.type](panel),
    }
    if panel.type == "table":
        made["transformations"] = _one_table(panel, targets)
    return made


def _head(panel: Panel, datasource: dict[str, str] | None) -> dict[str, Any]:
    kind = "barchart" if panel.type == "bar" else panel.type
    head: dict[str, Any] = {"type": kind, "title": panel.title, "description": panel.description.strip()}
    if datasource is not None:
        head["datasource"] = datasource
    return head


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if _by_threshold(panel) else "palette-classic"},
        "thresholds": thresholds(panel.thresholds),
        "mappings": mappings(STATE_WORDS if panel.states else panel.words),
        "custom": _CUSTOM[panel.type](panel),
    }
    optional = {"min": panel.min, "max": panel.max, "decimals": panel.decimals}
    return defaults | {name: value for name, value in optional.items() if value is not None}


def _by_threshold(panel: Panel) -> bool:
    return panel.type in ("stat", "gauge", "table", "state-timeline")


def thresholds(steps: Sequence[Threshold]) -> dict[str, Any]:
    """Placeholders in them are filled in by then, and numbers."""
    rows: list[dict[str, Any]] = [{"color": COLORS[step.color], "value": step.value} for step in steps]
    if not rows or rows[0]["value"] is not None:
        rows.insert(0, {"color": "text" if rows else "green", "value": None})
    return {"mode": "absolute", "steps": rows}


def mappings(words: Sequence[Word]) -> list[dict[str, Any]]:
    if not words:
        return []
    options = {
        f"{word.value:g}": {"text": word.text, "color": COLORS[word.color], "index": index}
        for index, word in enumerate(words)
    }
    return [{"type": "value", "options": options}]


def _timeseries_custom(panel: Panel) -> dict[str, Any]:
    return {
        "drawStyle": "bars" if panel.bars else "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 70 if panel.bars else 30 if panel.stack else 10,
        "gradientMode": "none",
        "showPoints": "never",
        "spanNulls": False,
        "axisPlacement": "auto",
        "axisSoftMin": 0,
        "stacking": {"mode": "normal" if panel.stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
    }


def _no_custom(panel: Panel) -> dict[str, Any]:
    del panel
    return {}


_CUSTOM: Final[dict[PanelType, Callable[[Panel], dict[str, Any]]]] = {
    "timeseries": _timeseries_custom,
    "stat": _no_custom,
    "gauge": _no_custom,
    "heatmap": lambda _: {"scaleDistribution": {"type": "linear"}},
    "bar": lambda _: {"fillOpacity": 80, "lineWidth": 0, "axisPlacement": "auto", "axisSoftMin": 0},
    "table": lambda _: {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False, "filterable": True},
    "logs": _no_custom,
    "state-timeline": lambda _: {"fillOpacity": 80, "lineWidth": 0},
}


def _timeseries_options(panel: Panel) -> dict[str, Any]:
    many = len(panel.queries) > 1 or "{{" in "".join(query.legend for query in panel.queries)
    calcs = ["mean", "max", "lastNotNull"] if many else ["mean", "max"]
    return {
        "legend": {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": calcs},
        "tooltip": _TOOLTIP,
    }


def _stat_options(panel: Panel) -> dict[str, Any]:
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "auto",
        "textMode": "name" if panel.names else "auto",
        "colorMode": "background" if panel.states else "value",
        "graphMode": "area" if panel.sparkline and not panel.words and not panel.states else "none",
        "justifyMode": "auto",
    }


def _gauge_options(panel: Panel) -> dict[str, Any]:
    del panel
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "auto",
        "showThresholdLabels": False,
        "showThresholdMarkers": True,
    }


def _heatmap_options(panel: Panel) -> dict[str, Any]:
    return {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Turbo",
            "fill": "dark-orange",
            "exponent": 0.5,
            "steps": 64,
            "reverse": False,
            "scale": "exponential",
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
        "cellValues": {"unit": "short", "decimals": 0},
    }


def _bar_options(panel: Panel) -> dict[str, Any]:
    return {
        "orientation": "horizontal",
        "stacking": "normal" if panel.stack else "none",
        "showValue": "auto",
        "groupWidth": 0.7,
        "barWidth": 0.9,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
        "xTickLabelRotation": 0,
        "xTickLabelSpacing": 0,
        "fullHighlight": False,
    }


def _table_options(panel: Panel) -> dict[str, Any]:
    sort = [{"displayName": panel.sort.lstrip("-"), "desc": panel.sort.startswith("-")}] if panel.sort else []
    return {
        "showHeader": True,
        "cellHeight": "sm",
        "footer": {"show": False, "reducer": ["sum"], "countRows": False},
        "sortBy": sort,
    }


def _logs_options(panel: Panel) -> dict[str, Any]:
    del panel
    return {
        "dedupStrategy": "none",
        "enableLogDetails": True,
        "prettifyLogMessage": False,
        "showCommonLabels": False,
        "showLabels": False,
        "showTime": True,
        "sortOrder": "Descending",
        "wrapLogMessage": True,
    }


def _timeline_options(panel: Panel) -> dict[str, Any]:
    del panel
    return {
        "alignValue": "left",
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "auto",
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }


_OPTIONS: Final[dict[PanelType, Callable[[Panel], dict[str, Any]]]] = {
    "timeseries": _timeseries_options,
    "stat": _stat_options,
    "gauge": _gauge_options,
    "heatmap": _heatmap_options,
    "bar": _bar_options,
    "table": _table_options,
    "logs": _logs_options,
    "state-timeline": _timeline_options,
}


def _paints(panel: Panel) -> list[dict[str, Any]]:
    return [_paint(paint) for paint in panel.paint]


def _paint(paint: Paint) -> dict[str, Any]:
    properties: list[dict[str, Any]] = [{"id": "color", "value": {"mode": "fixed", "fixedColor": COLORS[paint.color]}}]
    if paint.dashed:
        properties += [
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "custom.stacking", "value": {"mode": "none", "group": "A"}},
        ]
    return {"matcher": {"id": "byRegexp", "options": f"/{paint.series}/"}, "properties": properties}


def _columns(panel: Panel, board_link: Callable[[str], str]) -> list[dict[str, Any]]:
    return [_column(column, board_link) for column in panel.columns]


def _column(column: Column, board_link: Callable[[str], str]) -> dict[str, Any]:
    properties: list[dict[str, Any]] = []
    if column.unit:
        properties.append({"id": "unit", "value": column.unit})
    if column.decimals is not None:
        properties.append({"id": "decimals", "value": column.decimals})
    if column.thresholds:
        properties += [
            {"id": "thresholds", "value": thresholds(column.thresholds)},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    if column.words:
        properties += [
            {"id": "mappings", "value": mappings(column.words)},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    if column.board:
        link = {"title": "Open the board of ${__value.text}", "url": board_link("${__value.text}")}
        properties.append({"id": "links", "value": [link]})
    return {"matcher": {"id": "byName", "options": column.title or column.name}, "properties": properties}


def _one_table(panel: Panel, targets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All queries of a table side by side, one row for each set of labels."""
    names = {"Time": True}
    titles: dict[str, str] = {}
    values = ["Value"] if len(targets) == 1 else [f"Value #{target['refId']}" for target in targets]
    for value, query in zip(values, panel.queries, strict=False):
        titles[value] = query.column or query.legend
    for column in panel.columns:
        if column.hide:
            names[column.name] = True
        elif column.title:
            titles[column.name] = column.title
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": names, "indexByName": {}, "renameByName": titles}},
    ]


def paint_of(panel: Panel, name: str) -> Paint | None:
    """The paint that a series of that name gets: the last one that matches, as Grafana's overrides have it."""
    return next((paint for paint in reversed(panel.paint) if re.search(paint.series, name)), None)
