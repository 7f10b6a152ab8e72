"""A board as something that rich can print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel as Box
from rich.table import Table
from rich.text import Text

from monitor.domain.boards.drawing import PanelData, TimeRange
from monitor.render.terminal import lines

_CHART_HEIGHT = 9
_SMALL = 36
_TWO_COLUMNS = 96


def screen(
    title: str, note: str, rows: Iterable[tuple[str, Sequence[PanelData]]], span: TimeRange, width: int
) -> Group:
    parts: list[RenderableType] = [Text.assemble((title, "bold"), "  ", (note, "dim"))]
    for name, panels in rows:
        drawn = [panel for panel in panels if panel.panel.type not in ("logs", "text")]
        if not drawn:
            continue
        if name:
            parts.append(Text(f"\n{name}", style="bold cyan"))
        small = [panel for panel in drawn if panel.panel.type in ("stat", "gauge")]
        large = [panel for panel in drawn if panel not in small]
        wide = [panel for panel in large if panel.panel.width >= 20]  # noqa: PLR2004 - of 24
        parts += _grid(small, max(1, width // _SMALL), width, span)
        parts += _grid(wide, 1, width, span)
        parts += _grid([panel for panel in large if panel not in wide], 2 if width >= _TWO_COLUMNS else 1, width, span)
    return Group(*parts)


def _grid(panels: Sequence[PanelData], columns: int, width: int, span: TimeRange) -> list[RenderableType]:
    if not panels:
        return []
    columns = min(columns, len(panels))
    each = width // columns
    table = Table.grid(expand=False)
    for _ in range(columns):
        table.add_column(width=each)
    boxes = [_box(panel, each, span) for panel in panels]
    for start in range(0, len(boxes), columns):
        table.add_row(*boxes[start : start + columns])
    return [table]


def _box(data: PanelData, width: int, span: TimeRange) -> Box:
    text = Text("\n").join(
        Text.assemble(*[(part, style) for part, style in line]) for line in lines(data, width - 4, _CHART_HEIGHT, span)
    )
    text.no_wrap = True
    text.overflow = "ellipsis"
    return Box(text, title=Text(data.panel.title), title_align="left", border_style="dim", width=width)
