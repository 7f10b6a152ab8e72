"""Values over time, as Prometheus answers them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_LABEL: Final = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Series:
    """`points` are (unix seconds, value), rising in time. `name` is how people are shown it."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]
    name: str = ""

    @property
    def values(self) -> list[float]:
        """Without the ones that are no number."""
        return [value for _, value in self.points if math.isfinite(value)]

    @property
    def last(self) -> float | None:
        values = self.values
        return values[-1] if values else None


def legend(template: str, labels: Mapping[str, str]) -> str:
    """The name of a series: `{{code}}` becomes the label's value. Without a template, its labels as PromQL has them."""
    if template:
        return _LABEL.sub(lambda match: labels.get(match[1], ""), template)
    shown = {key: value for key, value in labels.items() if key != "__name__"}
    if len(shown) == 1:
        return next(iter(shown.values()))
    return "{" + ", ".join(f"{key}={value}" for key, value in sorted(shown.items())) + "}" if shown else "value"
