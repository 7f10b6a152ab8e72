"""A whole board: its panels laid out in Grafana's grid, with ids that stay when nothing changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from monitor.domain.boards.board import COLUMNS, Board, Catalogue, Need, Panel, Query, Threshold
from monitor.render.grafana import variables
from monitor.render.grafana.fill import fill, objective_values, values_for
from monitor.render.grafana.panels import panel_json
from monitor.render.grafana.uid import board_uid, is_plain, uid_prefix
from monitor.render.site import Objective, Site, SiteService

SCHEMA_VERSION: Final = 38  # of Grafana 10.1; newer ones read it
NOTICE: Final = "Made by `bgmon generate`: change dashboards/*.yaml and bgmon.yml instead."
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class ReadyPanel:
    """A panel with its queries filled in, and where it stands in the grid."""

    panel: Panel
    id: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class ReadyRow:
    title: str
    id: int
    y: int
    collapsed: bool
    panels: tuple[ReadyPanel, ...]


@dataclass(frozen=True, slots=True)
class ReadyBoard:
    """A board for one service, or for the project when `service` is None; every placeholder is filled in."""

    name: str
    uid: str
    title: str
    board: Board
    service: str | None
    rows: tuple[ReadyRow, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        return (ready.panel for row in self.rows for ready in row.panels)


def ready_boards(catalogue: Catalogue, site: Site, only: str | None = None) -> Iterator[ReadyBoard]:
    """Every board; or only those of one service, or of one name."""
    for name, board in sorted(catalogue.boards.items()):
        if board.per == "project":
            if only in (None, f"_{name}"):
                ready = ready_board(f"_{name}", board, site, None)
                if ready.rows or not board.rows:  # one about what the project does not have is left out
                    yield ready
            continue
        for service in site.services:
            if only in (None, service.name):
                file = service.name if name == "service" else f"{service.name}_{name}_"
                yield ready_board(file, board, site, service)


def ready_board(name: str, board: Board, site: Site, service: SiteService | None) -> ReadyBoard:
    values = values_for(site.project, service.name if service else None)
    groups = _groups([service] if service else site.services)
    needs = _has(site.services if service is None else [service])
    if site.jobs:
        needs.add("jobs")
    rows: list[ReadyRow] = []
    y, number_ = 0, 0
    for row in board.rows:
        panels = [
            filled
            for panel in row.panels
            if needs >= set(panel.needs)
            for filled in [_filled(panel, values, groups)]
            if filled.queries or panel.type == "text"
        ]
        if not panels or not needs >= set(row.needs):
            continue
        number_ += 1
        ready, bottom = _laid_out(panels, y + 1, number_ + 1)
        rows.append(ReadyRow(fill(row.title, values), number_, y, row.collapsed, ready))
        y, number_ = (y + 1 if row.collapsed else bottom), number_ + len(ready)
    title = fill(board.title, values)
    return ReadyBoard(name, board_uid(site.project, name), title, board, service.name if service else None, tuple(rows))


def _laid_out(panels: Sequence[Panel], top: int, first_id: int) -> tuple[tuple[ReadyPanel, ...], int]:
    """Left to right; a panel that does not fit begins a new line below the highest of the line before."""
    ready: list[ReadyPanel] = []
    x, y, height = 0, top, 0
    for offset, panel in enumerate(panels):
        if x + panel.width > COLUMNS:
            x, y, height = 0, y + height, 0
        ready.append(ReadyPanel(panel, first_id + offset, x, y))
        x, height = x + panel.width, max(height, panel.height)
    return tuple(ready), y + height


def _has(services: Sequence[SiteService]) -> set[Need]:
    """What at least one of the services has."""
    has: set[Need] = set()
    for service in services:
        if service.counted:
            has.add("requests")
            has.update(objective.slo for objective in service.objectives)
            if service.objectives:
                has.add("objective")
        if service.probed:
            has.add("probe")
        if service.log and service.log.routes:
            has.add("routes")
        if service.events:
            has.add("events")
        if service.memory_limit:
            has.add("memory-limit")
        if service.cpu_limit:
            has.add("cpu-limit")
    return has


Groups = Mapping[Objective, list[str]]


def _groups(services: Sequence[SiteService]) -> Groups:
    """The services by what they promise: a query takes all of a group at once."""
    groups: dict[Objective, list[str]] = {}
    for service in services:
        for objective in service.objectives if service.counted else ():
            groups.setdefault(objective, []).append(service.name)
    return dict(sorted(groups.items(), key=lambda item: (item[0].slo, item[0].ratio, item[0].le or 0)))


def _filled(panel: Panel, values: dict[str, str], groups: Groups) -> Panel:
    queries: list[Query] = []
    own = dict(values)
    for query in panel.queries:
        if query.each is None:
            queries.append(replace(query, expr=fill(query.expr, values), legend=fill(query.legend, values)))
            continue
        for objective, services in groups.items():
            if objective.slo == query.each:
                own = {**values, **objective_values(objective, services)}
                queries.append(replace(query, expr=fill(query.expr, own), legend=fill(query.legend, own), each=None))
    if panel.type != "table":
        queries = [replace(query, column="") for query in queries]
    steps = tuple(_step(step, own) for step in panel.thresholds)
    columns = tuple(
        replace(column, thresholds=tuple(_step(step, own) for step in column.thresholds)) for column in panel.columns
    )
    return replace(
        panel,
        title=fill(panel.title, own),
        description=fill(panel.description, own),
        queries=_joined(queries) if panel.type == "table" else tuple(queries),
        thresholds=steps,
        columns=columns,
    )


def _joined(queries: Sequence[Query]) -> tuple[Query, ...]:
    """Queries of the same column become one: a table has one column for each query."""
    columns: dict[str, Query] = {}
    for query in queries:
        before = columns.get(query.column)
        columns[query.column] = replace(before, expr=f"{before.expr}\nor\n{query.expr}") if before else query
    return tuple(columns.values())


def _step(step: Threshold, values: dict[str, str]) -> Threshold:
    return replace(step, value=float(fill(step.value, values))) if isinstance(step.value, str) else step


class BoardLinks:
    """Addresses of services' boards, by name or by a variable of Grafana that holds the name."""

    def __init__(self, site: Site) -> None:
        self.project = site.project
        self.sources = {"prometheus": site.source_uid("prometheus"), "loki": site.source_uid("loki")}
        keep = (
            "${__url_time_range}&${instance:queryparam}"
            "&${prometheus_datasource:queryparam}&${loki_datasource:queryparam}"
        )
        self._before, self._after = f"/d/{uid_prefix(site.project)}", f"?{keep}"
        if not all(is_plain(site.project, service.name) for service in site.services):
            # A uid with a hash cannot be made of the name: the overview shows that one service then.
            self._before, self._after = f"/d/{board_uid(site.project, '_overview')}?var-service=", f"&{keep}"

    def __call__(self, service: str) -> str:
        return f"{self._before}{service}{self._after}"


def board_json(ready: ReadyBoard, link: BoardLinks) -> dict[str, Any]:
    project, board = link.project, ready.board
    panels: list[dict[str, Any]] = []
    for row in ready.rows:
        inner = [_placed(panel, link) for panel in row.panels]
        panels.append(
            {
                "type": "row",
                "id": row.id,
                "title": row.title,
                "collapsed": row.collapsed,
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": row.y},
                "panels": inner if row.collapsed else [],
            }
        )
        panels.extend([] if row.collapsed else inner)
    own = f"bgmon-{project}" if ready.service is None else f"bgmon-{project}-service"
    return {
        "uid": ready.uid,
        "title": ready.title,
        "description": "\n\n".join(text for text in (board.description.strip(), NOTICE) if text),
        "tags": ["bgmon", own, *board.tags],
        "editable": False,
        "graphTooltip": 1,
        "liveNow": False,
        "refresh": board.refresh,
        "schemaVersion": SCHEMA_VERSION,
        "style": "dark",
        "time": {"from": f"now-{board.range}", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "weekStart": "",
        "fiscalYearStartMonth": 0,
        "templating": {"list": variables.variables(ready.service, **link.sources)},
        "annotations": {"list": variables.marks(project, ready.service)},
        "links": variables.links(project),
        "panels": panels,
    }


def _placed(ready: ReadyPanel, link: BoardLinks) -> dict[str, Any]:
    panel = ready.panel
    targets = [_target(panel, query, index) for index, query in enumerate(panel.queries)]
    return {
        "id": ready.id,
        "gridPos": {"h": panel.height, "w": panel.width, "x": ready.x, "y": ready.y},
        **panel_json(panel, targets, link),
    }


def _target(panel: Panel, query: Query, index: int) -> dict[str, Any]:
    ref = _LETTERS[index] if index < len(_LETTERS) else f"A{index}"
    if query.source == "loki":
        kind = "instant" if query.instant else "range"
        return {
            "refId": ref,
            "datasource": variables.LOKI,
            "expr": query.expr,
            "legendFormat": query.legend,
            "queryType": kind,
            "editorMode": "code",
        }
    table = panel.type in ("table", "bar")
    return {
        "refId": ref,
        "datasource": variables.PROMETHEUS,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": "table" if table else "heatmap" if panel.type == "heatmap" else "time_series",
        "instant": table or query.instant,
        "range": not (table or query.instant),
        "editorMode": "code",
    }
