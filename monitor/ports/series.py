"""Who answers the questions of a board's panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monitor.domain.boards.board import Panel, Query
from monitor.domain.boards.series import Series


class SeriesSource(Protocol):
    """`sample` says that the answers are made up. Raises SourceUnreachable or SourceError."""

    sample: bool

    def ask(self, panel: Panel, query: Query, start: float, end: float, points: int) -> Sequence[Series]:
        """About `points` values of every series in [start, end], unix seconds; one value for an instant query."""
        ...
