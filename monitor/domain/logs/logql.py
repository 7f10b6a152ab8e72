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
from monitor.domain.logs.rules import (
    GO_DURATION,
    MAX_SECONDS,
    NUMBER,
    PER_SECOND,
    STATUS,
    JsonShape,
    LogRule,
    TextShape,
    bound_in_unit,
)

UNPARSED: Final = "unparsed"
HEALTH: Final = "health"
# What Go calls the kinds of JSON.
_OBJECT: Final = "map[string]interface {}"
_NUMBER: Final = "float64"
_STRING: Final = "string"


@dataclass(frozen=True, slots=True)
class Selector:
    """Which streams: the project's, of one kind, of these services (none means all), of one host if given."""

    project: str
    kind: str
    services: tuple[str, ...] = ()
    host: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Instead of project and kind, where somebody else's shipper sets other labels."""

    def text(self) -> str:
        labels = self.labels or (("project", self.project), ("kind", self.kind))
        parts = [f"{name}={quote(value)}" for name, value in labels]
        if self.host:
            parts.append(f"host={quote(self.host)}")
        if len(self.services) == 1:
            parts.append(f"service={quote(self.services[0])}")
        else:
            names = "|".join(re2_literal(name) for name in sorted(self.services))
            parts.append(f"service=~{quote(names or '.+')}")
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
    counts = f"sum by (service, code) (count_over_time({streams}{coded(rule)} {window}))"
    if not shape.duration:
        return Queries(counts, "", "")
    le = quote(_le(rule, sorted(rule.buckets if bounds is None else bounds)))
    histogram = (
        f"sum by (service, le) (count_over_time({streams}{_head(rule)} | label_format le={le}"
        f' | drop __error__, __error_details__ | le!="" {window}))'
    )
    durations = f"sum by (service) (sum_over_time({streams}{timed(rule)} {window}))"
    return Queries(counts, histogram, durations)


def coded(rule: LogRule) -> str:
    """The pipeline that gives each line its `code`: a status, `health` or `unparsed`."""
    return f"{_head(rule)} | label_format code={quote(_code(rule))} | drop __error__, __error_details__"


def timed(rule: LogRule) -> str:
    """The pipeline that unwraps durations: in the unit of the log, of Go durations in seconds."""
    stage = f"{_head(rule)} | label_format took={quote(_took(rule))} | drop __error__, __error_details__"
    return f'{stage} | took!="" | unwrap took | __error__=""'


def _head(rule: LogRule) -> str:
    return _regexps(rule.shape) if isinstance(rule.shape, TextShape) else ""


def range_text(milliseconds: int) -> str:
    """A duration as LogQL takes it: whole seconds where possible.

    >>> range_text(60_000), range_text(1500)
    ('60s', '1500ms')
    """
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def quote(text: str) -> str:
    """A LogQL string: raw between backquotes where that says the same, else as Go quotes.

    >>> quote("core"), quote('say "hi"'), quote("a`b")
    ('"core"', '`say "hi"`', '"a`b"')
    """
    plain = text.isascii() and text.isprintable()
    if plain and '"' not in text and "\\" not in text:
        return f'"{text}"'
    if plain and "`" not in text:
        return f"`{text}`"
    return go_quote(text)


def go_quote(text: str) -> str:
    """A Go string literal, in ASCII and without backquotes, so that it can stand inside of a raw string."""
    done: list[str] = []
    for character in text:
        number = ord(character)
        if character in {'"', "\\"}:
            done.append(f"\\{character}")
        elif character == "`" or number < 0x20 or number == 0x7F:  # noqa: PLR2004 - control characters
            done.append(f"\\x{number:02x}")
        elif number < 0x7F:  # noqa: PLR2004
            done.append(character)
        else:
            done.append(f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}")  # noqa: PLR2004
    return '"' + "".join(done) + '"'


def re2_literal(text: str) -> str:
    """An RE2 that matches this text alone."""
    return re.sub(r"([^A-Za-z0-9_\-])", r"\\\1", text)


def _regexps(shape: TextShape) -> str:
    return "".join(f" | regexp {quote(pattern)}" for pattern in shape.patterns)


def _code(rule: LogRule) -> str:
    bad = UNPARSED
    if rule.format == "access":  # the proxy had nobody to answer: the client left
        bad = _act('if eq (printf "%v" $v) "-1"') + HEALTH + _act("else") + UNPARSED + _act("end")
    rest = _act("else if $h") + HEALTH + _act("else") + _act("$s") + _act("end")
    return _fields(rule) + _act('if eq $s ""') + bad + rest


def _le(rule: LogRule, bounds: Sequence[float]) -> str:
    steps = [f"if le $n {bound_in_unit(bound, rule.unit)} }}}}{le_text(bound)}" for bound in bounds]
    chain = "{{ " + "{{ else ".join([*steps, "}}"]) + le_text(float("inf")) + _act("end") if steps else "+Inf"
    return _fields(rule) + _number(rule) + _when("$ok", chain)


def _took(rule: LogRule) -> str:
    return _fields(rule) + _number(rule) + _when("$ok", _act("$n"))


def _fields(rule: LogRule) -> str:
    """Sets $s, the status or "", $h, whether it is a health check, and $d, the raw duration."""
    shape = rule.shape
    return _json_fields(rule, shape) if isinstance(shape, JsonShape) else _text_fields(rule, shape)


def _json_fields(rule: LogRule, shape: JsonShape) -> str:
    text = _act("$j := fromJson __line__") + _get("v", shape.status)
    text += _act('$s := ""') + _act("$c := 0.0")
    text += _when(_is("$v", _NUMBER), _act("$c = $v"))
    text += _when(_is("$v", _STRING), _when(_matches(STATUS, "$v"), _act("$c = float64 $v")))
    whole = _when("eq $c (floor $c)", _act('$s = printf "%.0f" $c'))
    text += _when("ge $c 100.0", _when("lt $c 600.0", whole))
    text += _act("$h := false")
    if shape.path and rule.ignore:
        text += _get("p", shape.path) + _when(_is("$p", _STRING), _act(f"$h = {_ignored(rule, '$p')}"))
    return text + _get("d", shape.duration)


def _text_fields(rule: LogRule, shape: TextShape) -> str:
    # Our own patterns find nothing but statuses; what a person's finds is looked at.
    test = _matches(STATUS, f".{shape.status}") if rule.format == "regex" else f".{shape.status}"
    text = _act('$s := ""') + _when(test, _act(f"$s = .{shape.status}")) + _act("$h := false")
    if shape.path and rule.ignore:
        text += _act(f"$h = {_ignored(rule, f'.{shape.path}')}")
    return text + (_act(f"$d := .{shape.duration}") if shape.duration else "")


def _number(rule: LogRule) -> str:
    """Sets $n, the duration in its unit, and $ok, whether there is a valid one of a request that counts."""
    if rule.unit == "duration":
        from_text = _when(_matches(GO_DURATION, "$d"), _act("$n = duration_seconds $d"))
    else:
        from_text = _when(_matches(NUMBER, "$d"), _act("$n = float64 $d"))
    if isinstance(rule.shape, JsonShape):
        from_text = _when(_is("$d", _STRING), from_text)
        if rule.unit != "duration":
            from_text = _when(_is("$d", _NUMBER), _act("$n = $d")) + from_text
    most = f"{float(MAX_SECONDS * PER_SECOND[rule.unit]):.1f}"
    valid = from_text + _when("ge $n 0.0", _act(f"$ok = le $n {most}"))
    return _act("$n := -1.0") + _act("$ok := false") + _when('ne $s ""', _when("not $h", valid))


def _get(variable: str, names: tuple[str, ...]) -> str:
    """Sets a variable to a field of $j, or to "" where one of the names on the way is missing."""
    if not names:
        return ""
    *way, name = names
    source = f"${variable}{len(way) - 1}" if way else "$j"
    text = _when(_is(source, _OBJECT), _act(f"${variable} = index {source} {go_quote(name)}"))
    for depth in range(len(way) - 1, -1, -1):
        outer = f"${variable}{depth - 1}" if depth else "$j"
        step = _act(f"${variable}{depth} := index {outer} {go_quote(way[depth])}")
        text = _when(_is(outer, _OBJECT), step + text)
    return _act(f'${variable} := ""') + text


def _ignored(rule: LogRule, path: str) -> str:
    tests = [f"(eq {path} {go_quote(ignored)}) (hasPrefix {go_quote(ignored + '?')} {path})" for ignored in rule.ignore]
    return "or " + " ".join(tests)


def _act(text: str) -> str:
    return f"{{{{ {text} }}}}"


def _when(condition: str, body: str) -> str:
    return f"{_act(f'if {condition}')}{body}{_act('end')}"


def _is(value: str, kind: str) -> str:
    return f'eq (printf "%T" {value}) {go_quote(kind)}'


def _matches(pattern: str, value: str) -> str:
    return f"eq (count {go_quote(f'^(?:{pattern})$')} {value}) 1"
