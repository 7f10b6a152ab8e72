"""Asks for what a board's panels show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitor.domain.boards.board import Panel, Query
from monitor.domain.boards.drawing import PanelData, TimeRange
from monitor.domain.names import METRIC_LAST_DEPLOY
from monitor.errors import SourceError
from monitor.ports.series import SeriesSource


def answers(
    panels: Sequence[Panel], sources: Callable[[str], SeriesSource | None], span: TimeRange, *, points: int
) -> list[PanelData]:
    """Every panel with its series, in order; `sources` gives who answers for prometheus and for loki.

    A query that is refused becomes the problem of its panel alone. Raises SourceUnreachable when nobody answers.
    """
    return [_answer(panel, sources, span, points) for panel in panels]


def deploys(
    service: str | None, sources: Callable[[str], SeriesSource | None], span: TimeRange, *, points: int
) -> tuple[float, ...]:
    """When deploys of the service, or of any, ended within the time shown."""
    source = sources("prometheus")
    if source is None or source.sample:
        return ()
    which = f', service="{service}"' if service else ""
    expr = f'{METRIC_LAST_DEPLOY}{{job=~"$job", instance=~"$instance"{which}}}'
    panel = Panel(title="Deploys", description="")
    found = source.ask(panel, Query(expr=expr), span.start, span.end, points)
    ends = {value for series in found for value in series.values}
    return tuple(sorted(at for at in ends if span.start <= at <= span.end))


def _answer(panel: Panel, sources: Callable[[str], SeriesSource | None], span: TimeRange, points: int) -> PanelData:
    found = []
    sample = False
    for query in panel.queries:
        source = sources(query.source)
        if source is None:
            return PanelData(panel, (), f"{query.source.title()} was not asked")
        sample = sample or source.sample
        try:
            found.append(tuple(source.ask(panel, query, span.start, span.end, points)))
        except SourceError as error:
            return PanelData(panel, (), str(error))
    return PanelData(panel, tuple(found), sample=sample)
