"""Counters that outlive the process."""

from __future__ import annotations

from typing import Protocol


class Totals(Protocol):
    """Every call is durable when it returns. Raises StateError."""

    def add(self, metric: str, labels: tuple[str, ...], value: float = 1.0) -> None:
        """Count up. `labels` are the metric's label values, in its order."""
        ...

    def of(self, metric: str) -> dict[tuple[str, ...], float]:
        """All totals of a metric, by label values."""
        ...
