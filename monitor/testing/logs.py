"""A log in memory. Fulfils ports.logs.LogSource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.events import EventParser, EventRule
from monitor.domain.logs.parse import LineParser
from monitor.domain.logs.rules import LogRule
from monitor.errors import SourceUnreachable
from monitor.ports.logs import Batch, Cursor


class FakeLogSource:
    """`lines` are (service, unix seconds, text) in the order they were written; with `away` it does not answer."""

    name = "fake"

    def __init__(self, rules: Mapping[str, LogRule], events: Mapping[str, EventRule] | None = None) -> None:
        self.lines: list[tuple[str, float, bytes]] = []
        self.away = False
        self._parsers = {name: LineParser(rule) for name, rule in rules.items()}
        self._events = {name: EventParser(rule) for name, rule in (events or {}).items()}

    def window(self, services: Sequence[str], start: float, end: float) -> dict[str, Counts]:
        self._answer()
        found = {service: Counts() for service in services}
        for service, at, text in self.lines:
            if service in found and start < at <= end:
                self._count(service, text, found[service])
        return found

    def collect(self, cursor: Cursor, now: float) -> Batch:
        self._answer()
        first = int(cursor.get("read", "0"))
        counts: dict[str, Counts] = {}
        for service, _, text in self.lines[first:]:
            self._count(service, text, counts.setdefault(service, Counts()))
        return Batch(counts, {"read": str(len(self.lines))}, now)

    def _count(self, service: str, text: bytes, into: Counts) -> None:
        for parser in (self._parsers.get(service), self._events.get(service)):
            if parser is not None:
                parser.count((text,), into)

    def reset(self) -> None:
        """Nothing is read ahead."""

    def explain(self, service: str) -> list[tuple[str, str]]:
        return [("lines", f"the lines of {service}")]

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self) -> None:
        if self.away:
            raise SourceUnreachable("the log is away")
