"""A board with the answers to its panels' queries: what previews and the terminal draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.domain.boards.board import Panel, Threshold, Tone
from monitor.domain.boards.series import Series


@dataclass(frozen=True, slots=True)
class PanelData:
    """`answers` has the series of each query. `problem` says why there are none; `sample`: they are made up."""

    panel: Panel
    answers: tuple[tuple[Series, ...], ...]
    problem: str = ""
    sample: bool = False

    @property
    def series(self) -> list[Series]:
        return [series for answer in self.answers for series in answer]


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The time that is shown, in unix seconds; `marks` are deploys."""

    start: float
    end: float
    marks: tuple[float, ...] = ()


def tone_of(value: float, steps: Sequence[Threshold], default: Tone = "text") -> Tone:
    """The color of the highest step that `value` reaches."""
    tone = default
    for step in steps:
        if step.value is None or (isinstance(step.value, float | int) and value >= step.value):
            tone = step.color
    return tone
