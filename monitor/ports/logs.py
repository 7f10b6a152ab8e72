"""Where lines come from, and where what was counted in them is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.domain.logs.counts import Counts

Cursor = Mapping[str, str]
"""How far a source has read, in its own words: opaque to everybody else, and kept with the counts."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What came since a cursor.

    `counts` are increments by service. `cursor` replaces the one that was given. `until`: everything written up to
    then (unix seconds) is counted. `more`: there is more to be had at once.
    """

    counts: Mapping[str, Counts]
    cursor: Cursor
    until: float
    warnings: Sequence[str] = ()
    more: bool = False


class LogSource(Protocol):
    """The log of all services that have a rule.

    Every call raises SourceUnreachable when the source does not answer, SourceError when it says no.
    """

    @property
    def name(self) -> str: ...

    def window(self, services: Sequence[str], start: float, end: float) -> Mapping[str, Counts]:
        """What stands in the log for (start, end], unix seconds. A service without a line has empty counts."""
        ...

    def collect(self, cursor: Cursor, now: float) -> Batch:
        """What came since `cursor`, which is empty at the very first time.

        Nothing is lost or doubled when the batch is kept together with its cursor, or when neither is.
        """
        ...

    def reset(self) -> None:
        """Forget what was read ahead: the next `collect` goes by its cursor alone."""
        ...

    def explain(self, service: str) -> Sequence[tuple[str, str]]:
        """What is asked for, as pairs of a name and a text to show."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source has come. `until` is None before its first batch."""

    until: float | None = None
    warnings: int = 0
    cursor: Cursor = field(default_factory=dict)


class LogStore(Protocol):
    """Every call is one transaction, durable when it returns. Raises StateError."""

    def progress(self, source: str) -> Progress: ...

    def commit(self, source: str, before: Cursor, batch: Batch) -> bool:
        """Add the counts and move the cursor, both or neither.

        False, with nothing done, when the cursor is no longer the one that the batch was collected from: somebody
        else counted the same lines.
        """
        ...

    def totals(self) -> dict[str, Counts]:
        """By service, all sources together, since the state file was made. They never fall."""
        ...
