"""Colors and text of the preview, as in Grafana's dark theme."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

from monitor.domain.boards.board import Panel, Tone
from monitor.domain.boards.series import Series
from monitor.render.grafana.panels import paint_of

TONES: Final[dict[Tone, str]] = {
    "green": "#73bf69",
    "yellow": "#f2cc0c",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "purple": "#b877d9",
    "text": "#ccccdc",
    "transparent": "transparent",
}
PALETTE: Final = ("#73bf69", "#5794f2", "#ff9830", "#b877d9", "#f2cc0c", "#8ab8ff", "#f2495c", "#37872d", "#fa6400")
GRID: Final = "#2c3036"
DIM: Final = "#9d9daf"


def esc(text: str) -> str:
    return html.escape(text, quote=True)


def colors(panel: Panel, series: Sequence[Series]) -> list[tuple[str, bool]]:
    """The color of every series, and whether it is dashed."""
    made: list[tuple[str, bool]] = []
    free = 0
    for item in series:
        paint = paint_of(panel, item.name)
        if paint is not None:
            made.append((TONES[paint.color], paint.dashed))
        else:
            made.append((PALETTE[free % len(PALETTE)], False))
            free += 1
    return made
