"""SVG for the status page: one path a color, so that five hundred services stay light."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from monitor.domain.health.timeline import Kind, Slice

BAR: Final = 5
GAP: Final = 2
HEIGHT: Final = 26
SPARK_HEIGHT: Final = 30


def width(parts: Sequence[Slice]) -> int:
    return len(parts) * (BAR + GAP) - GAP


def bars(parts: Sequence[Slice]) -> list[tuple[Kind, str]]:
    """(kind, path) for the kinds that occur."""
    paths: dict[Kind, str] = {}
    for place, part in enumerate(parts):
        x = place * (BAR + GAP)
        top = HEIGHT // 3 if part.kind == "none" else 0
        tall = HEIGHT - 2 * top
        paths[part.kind] = paths.get(part.kind, "") + f"M{x} {top}h{BAR}v{tall}h-{BAR}z"
    return list(paths.items())


def sparkline(parts: Sequence[Slice]) -> tuple[str, str]:
    """Paths of the line of mean response times and of the area under it; gaps stay gaps."""
    known = [part.latency for part in parts if part.latency is not None]
    if not known:
        return "", ""
    top = max(known) or 1.0
    line, area = "", ""
    for run in _runs(parts):
        points = [(place * (BAR + GAP) + BAR / 2, _y(latency / top)) for place, latency in run]
        if len(points) == 1:  # a single slice: a short dash
            x, y = points[0]
            points = [(x - BAR / 2, y), (x + BAR / 2, y)]
        drawn = "L".join(f"{x:g} {y:g}" for x, y in points)
        line += f"M{drawn}"
        area += f"M{points[0][0]:g} {SPARK_HEIGHT}L{drawn}L{points[-1][0]:g} {SPARK_HEIGHT}z"
    return line, area


def _y(share: float) -> float:
    return round(SPARK_HEIGHT - 2 - share * (SPARK_HEIGHT - 5), 1)


def _runs(parts: Sequence[Slice]) -> list[list[tuple[int, float]]]:
    runs: list[list[tuple[int, float]]] = [[]]
    for place, part in enumerate(parts):
        if part.latency is None:
            runs.append([])
        else:
            runs[-1].append((place, part.latency))
    return [run for run in runs if run]
