"""Events: lines of a service's own output that are counted by a name, whether they are requests or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.gotemplate import act, go_quote, quote, when
from monitor.domain.logs.lines import clean
from monitor.domain.logs.logql import Selector, drop_errors, line_patterns, plain_lines, range_text
from monitor.domain.logs.logqlfields import wanted
from monitor.domain.logs.match import Condition, fields_of, holds
from monitor.domain.logs.parse import fields_reader, line_test
from monitor.domain.logs.rules import JsonShape, LogRule

MOST: Final = 20
"""Events a service: each is a series for good."""
SEPARATOR: Final = ","


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    when: Condition


@dataclass(frozen=True, slots=True)
class EventRule:
    """What is counted in the lines of one service. `format` and `regex` say where fields stand, as in a LogRule."""

    events: tuple[Event, ...]
    format: str = "json"
    regex: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(event.name for event in self.events)

    @property
    def reading(self) -> LogRule:
        """The rule that finds the fields of all conditions, those of the first event first."""
        every = tuple(part for event in self.events for part in event.when)
        return LogRule(self.format, duration=None, path=None, regex=self.regex, only=every)

    @property
    def begins(self) -> tuple[int, ...]:
        """Where the fields of each event's condition begin among all of them, and where they end."""
        ends = [0]
        for event in self.events:
            ends.append(ends[-1] + len(fields_of(event.when)))
        return tuple(ends)


class EventParser:
    """Counts the events of one service's lines."""

    def __init__(self, rule: EventRule) -> None:
        reading = rule.reading
        self._unquote = reading.reader == "logfmt"
        self._fields: Callable[[bytes], Mapping[str, object] | None] | None = None
        if fields_of(reading.only):
            self._fields = fields_reader(reading.shape)
        self._tests = [
            (event.name, line_test(event.when), begin, fields_of(event.when))
            for event, begin in zip(rule.events, rule.begins, strict=False)
        ]

    def names(self, line: bytes) -> list[str]:
        """The events that a line is."""
        line = clean(line, unquote=self._unquote)
        fields = (self._fields(line) or {}) if self._fields is not None else {}
        return [
            name
            for name, test, begin, parts in self._tests
            if not test(line)
            and all(holds(part.values, fields.get(f"only{begin + number}")) for number, part in enumerate(parts))
        ]

    def count(self, lines: Sequence[bytes], into: Counts) -> None:
        for line in lines:
            for name in self.names(line):
                into.events[name] = into.events.get(name, 0) + 1


def events_query(rule: EventRule, selector: Selector, range_ms: int) -> str:
    """Lines by service and `event`, which is the names of all events that a line is, joined by commas."""
    reading = rule.reading
    shape = reading.shape
    fields = fields_of(reading.only)
    template = act("$j := fromJson __line__") if isinstance(shape, JsonShape) and fields else ""
    for event, (begin, end) in zip(rule.events, pairwise(rule.begins), strict=True):
        template += wanted(shape, fields[begin:end], begin)
        for part in event.when:
            if part.contains:
                template += when(f"not (contains {go_quote(part.contains)} __line__)", act("$o = false"))
            elif part.pattern:
                template += when(f"eq (count {go_quote(part.pattern)} __line__) 0", act("$o = false"))
        template += when("$o", event.name + SEPARATOR)
    patterns = line_patterns(shape) if fields else ""
    pipeline = f"{plain_lines(unquote=reading.reader == 'logfmt')}{patterns} | label_format event={quote(template)}"
    lines = f'{selector.text()}{pipeline}{drop_errors()} | event!=""'
    return f"sum by ({selector.service_label}, event) (count_over_time({lines} [{range_text(range_ms)}]))"
