"""A board as data: rows of panels, each with what it asks for and how it is shown. Files under dashboards/ hold them.

Queries hold placeholders such as %{service}, which the renderer fills in; Grafana's own variables ($instance,
$__rate_interval) stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PanelType = Literal["timeseries", "stat", "gauge", "heatmap", "bar", "table", "logs", "state-timeline", "text"]
Source = Literal["prometheus", "loki"]
Need = Literal[
    "requests", "objective", "availability", "latency", "probe", "memory-limit", "cpu-limit", "events", "routes", "jobs"
]
Tone = Literal["green", "yellow", "orange", "red", "blue", "purple", "text", "transparent"]

COLUMNS: Final = 24  # of Grafana's grid

# Plain dataclasses; pydantic, which checks the files, takes its settings from here.
_STRICT: Final = {"extra": "forbid", "coerce_numbers_to_str": True, "allow_inf_nan": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question. `each` asks it once for every distinct objective of the project's services.

    `column` names its column in a table.
    """

    expr: str
    legend: str = ""
    source: Source = "prometheus"
    instant: bool = False
    each: Literal["availability", "latency"] | None = None
    column: str = ""

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From `value` on, the color is `color`; no value is the base."""

    color: Tone
    value: float | str | None = None  # a str holds a placeholder

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A number shown as a word, with a color."""

    value: float
    text: str
    color: Tone = "text"

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    """The color of every series whose name matches a regular expression; dashed ones are limits and objectives."""

    series: str
    color: Tone
    dashed: bool = False

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one column of a table is shown; `hide` takes it away."""

    name: str
    unit: str = ""
    hide: bool = False
    decimals: int | None = None
    thresholds: tuple[Threshold, ...] = ()
    words: tuple[Word, ...] = ()
    board: str = ""  # a click leads to the board of the service in this row
    title: str = ""

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`width` is out of 24 columns, `height` in grid units of 30 pixels."""

    title: str
    description: str
    type: PanelType = "timeseries"
    unit: str = "short"
    queries: tuple[Query, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    words: tuple[Word, ...] = ()
    states: bool = False  # words for the states of a service, as %{state_code} counts them
    paint: tuple[Paint, ...] = ()
    columns: tuple[Column, ...] = ()
    sort: str = ""
    width: int = 8
    height: int = 8
    min: float | None = None
    max: float | None = None
    decimals: int | None = None
    stack: bool = False
    bars: bool = False
    sparkline: bool = True
    names: bool = False  # a stat shows the name of the series instead of its value
    text: str = ""
    needs: tuple[Need, ...] = ()

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`needs`: only for services that have these; a row without panels is left out."""

    title: str
    panels: tuple[Panel, ...]
    needs: tuple[Need, ...] = ()
    collapsed: bool = False

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """`per: service` makes one board for each service, `per: project` one in all.

    `extends` names another board that gets these rows; a row with the title of one of its rows takes its place.
    """

    title: str = ""
    description: str = ""
    per: Literal["service", "project"] = "project"
    extends: str = ""
    rows: tuple[Row, ...] = ()
    range: str = "6h"
    refresh: str = "30s"
    tags: tuple[str, ...] = ()

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Boards by name: the name of the file, without .yaml."""

    boards: dict[str, Board]
