"""The LogQL form of the rules: three queries for all services that share a rule, whatever the number of services.

- `counts`: lines by service and `code`, which is a status, `health` (left out) or `unparsed`
- `histogram`: requests by service and `le`, the smallest bound that holds the duration (not cumulative)
- `durations`: the sum of durations by service, in the unit of the log, of Go durations in seconds

What is particular: the values come out of templates, because Loki's `json` stops at the last field asked for and so
takes half lines for whole ones, while `fromJson` is Go's own strict decoder; a template compares floats only with
floats; where a template fails its label is missing, and `drop __error__` keeps that line from failing the whole query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.domain.logs.counts import le_text
from monitor.domain.logs.gotemplate import act, go_quote, quote, when, when_else
from monitor.domain.logs.logqlfields import fields, number, route_labels, wanted
from monitor.domain.logs.match import Condition, fields_of
from monitor.domain.logs.rules import JsonShape, LogRule, TextShape, bound_in_unit

UNPARSED: Final = "unparsed"
HEALTH: Final = "health"
OTHER: Final = "other"
_BLANK: Final = go_quote(r"^\s*$")
_ONE_PAIR: Final = go_quote('^"[^"]*"$')
# As `lines.clean` has it.
_PLAIN_LINE: Final = r'__line__ | trimPrefix "\ufeff" | trimSuffix "\r"'


@dataclass(frozen=True, slots=True)
class Selector:
    """Which streams: the project's, of one kind, of these services (none means all), of one host if given."""

    project: str
    kind: str
    services: tuple[str, ...] = ()
    host: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Instead of project and kind, where somebody else's shipper sets other labels."""
    service_label: str = "service"
    """The stream label that tells services apart."""

    def text(self) -> str:
        labels = self.labels or (("project", self.project), ("kind", self.kind))
        parts = [f"{name}={quote(value)}" for name, value in labels]
        if self.host:
            parts.append(f"host={quote(self.host)}")
        if len(self.services) == 1:
            parts.append(f"{self.service_label}={quote(self.services[0])}")
        else:
            names = "|".join(re2_literal(name) for name in sorted(self.services))
            parts.append(f"{self.service_label}=~{quote(names or '.+')}")
        return "{" + ", ".join(parts) + "}"


@dataclass(frozen=True, slots=True)
class Queries:
    """`durations` and `histogram` are empty when the rule has no duration."""

    counts: str
    histogram: str
    durations: str

    def named(self) -> list[tuple[str, str]]:
        """Those that are sent, each with what it counts."""
        named = [("counts", self.counts), ("histogram", self.histogram), ("durations", self.durations)]
        return [(name, text) for name, text in named if text]


def queries(rule: LogRule, selector: Selector, range_ms: int, bounds: Iterable[float] | None = None) -> Queries:
    """The queries for lines of the last `range_ms` milliseconds before the time they are asked for.

    `bounds` are those of the histogram in seconds, the rule's own by default.
    """
    streams = selector.text()
    window = f"[{range_text(range_ms)}]"
    shape = rule.shape
    routed = route_labels(rule) if rule.routes else ""
    by = (", route, method" if rule.method else ", route") if rule.routes else ""
    counts = f"sum by ({selector.service_label}, code{by}) (count_over_time({streams}{coded(rule)}{routed} {window}))"
    if not shape.duration:
        return Queries(counts, "", "")
    le = quote(_le(rule, sorted(rule.buckets if bounds is None else bounds)))
    histogram = (
        f"sum by ({selector.service_label}, le{by}) (count_over_time({streams}{_head(rule)} | label_format le={le}"
        f'{drop_errors()} | le!=""{routed} {window}))'
    )
    durations = f"sum by ({selector.service_label}{by}) (sum_over_time({streams}{timed(rule, routed)} {window}))"
    return Queries(counts, histogram, durations)


def coded(rule: LogRule) -> str:
    """The pipeline that gives each line its `code`: a status, `health` or `unparsed`; `other` lines do not pass it."""
    stage = f"{_head(rule)} | label_format code={quote(_code(rule))}{drop_errors()}"
    return f'{stage} | code!="{OTHER}"' if fields_of(rule.only) else stage


def timed(rule: LogRule, routed: str = "") -> str:
    """The pipeline that unwraps durations, in the log's unit, of Go ones in seconds; behind the stages `routed`."""
    stage = f"{_head(rule)} | label_format took={quote(_took(rule))}{drop_errors()}"
    return f'{stage} | took!=""{routed} | unwrap took | __error__=""'


def _head(rule: LogRule) -> str:
    """What is done before any field is looked at: foreign lines go, colors come off, patterns are matched."""
    plain = "" if rule.format == "access" else plain_lines(unquote=rule.reader == "logfmt")
    return plain + line_filters(rule.only) + line_patterns(rule.shape)


def plain_lines(*, unquote: bool = False) -> str:
    """Takes off a line what `lines.clean` does."""
    text = act(_PLAIN_LINE)
    if unquote:
        inside = act('trimAll "\\"" $l')
        text = act(f"$l := {_PLAIN_LINE}") + when_else(f"eq (count {_ONE_PAIR} $l) 1", inside, act("$l"))
    return f" | decolorize | line_format {quote(text)}"


def line_filters(condition: Condition) -> str:
    """The parts of a condition that look at the line as a whole."""
    contains = "".join(f" |= {quote(part.contains)}" for part in condition if part.contains)
    return contains + "".join(f" |~ {quote(part.pattern)}" for part in condition if part.pattern)


def range_text(milliseconds: int) -> str:
    """A duration as LogQL takes it: whole seconds where possible.

    >>> range_text(60_000), range_text(1500)
    ('60s', '1500ms')
    """
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def re2_literal(text: str) -> str:
    """An RE2 that matches this text alone."""
    return re.sub(r"([^A-Za-z0-9_\-])", r"\\\1", text)


def drop_errors() -> str:
    """Keeps a line of which a stage could make nothing from failing the whole query."""
    return " | drop __error__, __error_details__"


def line_patterns(shape: JsonShape | TextShape) -> str:
    """The patterns of a text format; JSON is read by templates alone."""
    if isinstance(shape, JsonShape):
        return ""
    return "".join(f" | regexp {quote(pattern)}" for pattern in shape.patterns)


def _code(rule: LogRule) -> str:
    others = act("if not $o") + OTHER + act("else") if fields_of(rule.only) else ""
    bad = UNPARSED
    if rule.left:
        left = " ".join(f'(eq (printf "%v" $v) {go_quote(status)})' for status in rule.left)
        bad = act(f"if {f'or {left}' if len(rule.left) > 1 else left}") + HEALTH + act("else") + UNPARSED + act("end")
    blank = act(f"else if eq (count {_BLANK} __line__) 1") + HEALTH
    found = act('if ne $s ""') + when_else("$h", HEALTH, act("$s"))
    chain = found + blank + act("else") + bad + act("end")
    return _fields(rule) + others + chain + (act("end") if others else "")


def _le(rule: LogRule, bounds: Sequence[float]) -> str:
    steps = [f"if le $n {bound_in_unit(bound, rule.unit)} }}}}{le_text(bound)}" for bound in bounds]
    chain = "{{ " + "{{ else ".join([*steps, "}}"]) + le_text(float("inf")) + act("end") if steps else "+Inf"
    return _counted(rule, when("$ok", chain))


def _took(rule: LogRule) -> str:
    return _counted(rule, when("$ok", act("$n")))


def _counted(rule: LogRule, text: str) -> str:
    """The text for a request with a duration, nothing for any other line."""
    made = _fields(rule) + number(rule)
    return made + (when("$o", text) if fields_of(rule.only) else text)


def _fields(rule: LogRule) -> str:
    return fields(rule) + (wanted(rule.shape, rule.only) if fields_of(rule.only) else "")
