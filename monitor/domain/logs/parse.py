"""The Python form of the rules: lines in, counts out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress, repeat
from operator import attrgetter, itemgetter
from typing import Any, Final, Literal

import msgspec

from monitor.domain.digits import digits
from monitor.domain.logs.counts import Counts, RouteCounts
from monitor.domain.logs.lines import clean
from monitor.domain.logs.match import Condition, fields_of, holds
from monitor.domain.logs.routes import method_of, route_key, route_of
from monitor.domain.logs.rules import JsonShape, LogRule, TextShape
from monitor.domain.logs.values import duration_of, load_json, plain_path, scale, status_of


@dataclass(frozen=True, slots=True)
class Reading:
    """What one line says. `note` is why it is no request, or has no duration; `seconds` and `le` are of its duration.

    `other` lines are those that the rule's condition does not let through: they are in no count.
    """

    kind: Literal["request", "health", "unparsed", "other"]
    status: str = ""
    path: str = ""
    seconds: float | None = None
    le: str = ""
    note: str = ""
    service: str = ""
    route: str = ""


class LineParser:
    """Reads the lines of one service.

    Raises:
        ValueError: at its making, the rule's regex is no RE2.
    """

    def __init__(self, rule: LogRule) -> None:
        self.rule = rule
        self.scale = scale(rule.unit, rule.buckets)
        shape = rule.shape
        self._clean: Callable[[bytes], bytes] = partial(clean, unquote=rule.reader == "logfmt")
        if rule.format == "access":  # our own log: its lines are as they should be, and Loki is to do nothing to them
            self._clean = bytes
        self._left = {*rule.left, *(int(status) for status in rule.left if digits(status.removeprefix("-")))}
        self._asked = fields_of(rule.only)
        self._route = route_of(rule.routes)
        self._foreign = line_test(rule.only)
        self._block: Callable[[Sequence[bytes], Counts], None]
        self._fields = fields_reader(shape)
        if isinstance(shape, JsonShape):
            self._block = _JsonBlocks(self, shape).count
        else:
            from monitor.domain.logs.text import TextBlocks  # re2 is slow to load

            self._block = TextBlocks(self).count

    def read(self, line: bytes) -> Reading:
        """One line, told in full."""
        line = self._clean(line)
        fields = self._fields(line) or {}
        foreign = self._foreign(line) or self._other_fields(fields)
        if foreign:
            return Reading("other", note=foreign)
        service = fields.get("service")
        service = service if isinstance(service, str) else ""
        path = plain_path(fields.get("path"))
        status = status_of(fields.get("status"))
        if not status:
            left = self._left_out(line, fields)
            return Reading("health" if left else "unparsed", path=path, note=left or self._why(fields), service=service)
        if path in self.rule.ignore:
            return Reading("health", status, path, service=service)
        number, note = duration_of(fields.get("duration"), self.rule.unit, self.scale.most)
        route = self.route(path, fields.get("method")) if self.rule.routes else ""
        if number is None:
            return Reading("request", status, path, note=note, service=service, route=route)
        le = self.scale.label(number)
        return Reading("request", status, path, number * self.scale.nanos / 1e9, le, service=service, route=route)

    def route(self, path: str, method: object) -> str:
        """What a request with this path counts by, the path without its query."""
        return route_key(self._route(path), method_of(method) if self.rule.method else "")

    def _left_out(self, line: bytes, fields: Mapping[str, object]) -> str:
        """Why a line without a status is no unparsed one; empty when it is."""
        if _hashable(fields.get("status")) in self._left:
            return "the client left before an answer"
        return "" if line.strip(_SPACE) else "a blank line"

    def _why(self, fields: Mapping[str, object]) -> str:
        value = fields.get("status")
        if not fields:
            return f"it does not have the form {self.rule.format}"
        return f"no field {self.rule.status!r}" if value is None else f"{value!r:.60} is no status from 100 to 599"

    def _other_fields(self, fields: Mapping[str, object]) -> str:
        """Which part of the rule's condition on fields does not hold; empty when all do."""
        for number, part in enumerate(self._asked):
            if not holds(part.values, fields.get(f"only{number}")):
                return part.words()
        return ""

    def fields(self, line: bytes) -> Mapping[str, object] | None:
        """The raw values of status, duration, path and service; None when the line has not the rule's form."""
        found = self._fields(self._clean(line))
        return found and {name: value for name, value in found.items() if not name.startswith(("only", "method"))}

    def count(self, lines: Sequence[bytes], into: Counts) -> None:
        """Many lines at once: the same as `read` one by one, several times as fast."""
        if lines:
            self._block(lines, into)

    def count_one(self, line: bytes, into: Counts) -> None:
        line = self._clean(line)
        if self._foreign(line):
            return
        fields = self._fields(line) or {}
        if self._asked and self._other_fields(fields):
            return
        status = status_of(fields.get("status"))
        into.lines += 1
        if not status and self._left_out(line, fields):
            into.ignored += 1
        elif not status:
            into.unparsed += 1
        elif plain_path(fields.get("path")) in self.rule.ignore:
            into.ignored += 1
        else:
            self._request(status, fields, into)
            if self.rule.routes:
                key = self.route(plain_path(fields.get("path")), fields.get("method"))
                self._request(status, fields, into.routes.setdefault(key, RouteCounts()))

    def _request(self, status: str, fields: Mapping[str, object], into: Counts | RouteCounts) -> None:
        into.codes[status] = into.codes.get(status, 0) + 1
        number, _ = duration_of(fields.get("duration"), self.rule.unit, self.scale.most)
        if number is not None:
            self.observe([number], into)

    def observe(self, durations: list[float], into: Counts | RouteCounts) -> None:
        """Put durations, in the rule's unit, into the histogram. Sorts the list."""
        durations.sort()
        low = bisect_left(durations, 0.0)
        high = bisect_right(durations, self.scale.most)
        if low or high < len(durations):
            durations = durations[low:high]
        below = 0
        buckets = into.buckets
        for bound, label in zip((*self.scale.bounds, self.scale.most), self.scale.labels, strict=True):
            upto = bisect_right(durations, bound)
            if upto > below:
                buckets[label] = buckets.get(label, 0) + upto - below
                below = upto
        into.nanos += self.scale.total(durations)


class AccessParser:
    """Reads the proxy's log, in which every line names its service. Services without a rule are passed by."""

    def __init__(self, rules: Mapping[str, LogRule]) -> None:
        self._parsers = {name: LineParser(rule) for name, rule in rules.items()}
        method = ("method",) if any(rule.method for rule in rules.values()) else ()
        shape = JsonShape(("status",), ("duration_us",), ("path",), method=method)
        self._decoder = msgspec.json.Decoder(_row(shape, service=True))

    def count(self, lines: Sequence[bytes], into: dict[str, Counts]) -> None:
        rows, odd = decode_lines(self._decoder, lines)
        by_service: defaultdict[str, list[Any]] = defaultdict(list)
        for row in rows:
            by_service[row.service].append(row)
        for service, own in by_service.items():
            parser = self._parsers.get(service)
            if parser is not None:
                counting = count_routes if parser.rule.routes else count_rows
                counting(parser, own, into.setdefault(service, Counts()), paths=True)
        for line in odd:
            self._one(line, into)

    def _one(self, line: bytes, into: dict[str, Counts]) -> None:
        fields = load_json(line)
        service = fields.get("service") if isinstance(fields, dict) else None
        if isinstance(service, str) and service in self._parsers:
            self._parsers[service].count_one(line, into.setdefault(service, Counts()))


class _JsonBlocks:
    """Counts many lines at once, where they are objects with fields of the usual types."""

    def __init__(self, parser: LineParser, shape: JsonShape) -> None:
        self._parser = parser
        by_one = parser.rule.only or (parser.rule.unit == "duration" and shape.duration)
        type_ = None if by_one else _row(shape)
        self._decoder = msgspec.json.Decoder(type_) if type_ is not None else None
        self._needles = tuple(path.encode() for path in parser.rule.ignore) if shape.path else ()

    def count(self, lines: Sequence[bytes], into: Counts) -> None:
        odd = lines
        if self._decoder is not None:
            rows, odd = decode_lines(self._decoder, lines)
            counting = count_routes if self._parser.rule.routes else count_rows
            counting(self._parser, rows, into, paths=bool(self._needles))
        for line in odd:
            self._parser.count_one(line, into)


def count_routes(parser: LineParser, rows: list[Any], into: Counts, *, paths: bool) -> None:
    """As `count_rows`, and by routes."""
    by_route: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_route[parser.route(plain_path(row.path), row.method)].append(row)
    for key, own in by_route.items():
        counts = Counts()
        count_rows(parser, own, counts, paths=paths)
        into.add(counts)
        if counts.codes:
            into.routes.setdefault(key, RouteCounts()).add(counts)


def count_rows(parser: LineParser, rows: list[Any], into: Counts, *, paths: bool) -> None:
    """Count decoded rows (`status`, `duration`, `path`); `paths`: some may be health checks."""
    into.lines += len(rows)
    codes = Counter(map(_STATUS, rows))
    if not all(100 <= code < 600 for code in codes):  # noqa: PLR2004
        good = [row for row in rows if 100 <= row.status < 600]  # noqa: PLR2004
        left = codes[-1] if parser.rule.format == "access" else 0
        into.ignored += left
        into.unparsed += len(rows) - len(good) - left
        rows, codes = good, Counter(map(_STATUS, good))
    ignore = parser.rule.ignore
    if paths and ignore:
        maybe = list(map(str.startswith, map(_PATH, rows), repeat(ignore)))
        if any(maybe):
            kept = [not (may and plain_path(row.path) in ignore) for may, row in zip(maybe, rows, strict=True)]
            good = list(compress(rows, kept))
            into.ignored += len(rows) - len(good)
            rows, codes = good, Counter(map(_STATUS, good))
    for code, count in codes.items():
        text = str(code)
        into.codes[text] = into.codes.get(text, 0) + count
    parser.observe(list(map(_DURATION, rows)), into)


def fields_reader(shape: JsonShape | TextShape) -> Callable[[bytes], Mapping[str, object] | None]:
    """Finds the fields of a line: status, duration, path, and `only0`, `only1`... for those of a condition."""
    if isinstance(shape, JsonShape):
        return _json_fields(shape)
    from monitor.domain.logs.text import text_fields

    return text_fields(shape)


def line_test(condition: Condition) -> Callable[[bytes], str]:
    """Says why a line as a whole does not meet a condition; nothing when it does."""
    tests: list[tuple[Callable[[bytes], object], str]] = []
    for part in condition:
        if part.contains:
            tests.append((partial(_holds_text, part.contains.encode()), part.words()))
        elif part.pattern:
            from monitor.domain.logs.text import compile_re2

            tests.append((compile_re2(part.pattern).search, part.words()))
    if not tests:
        return lambda _: ""

    def test(line: bytes) -> str:
        return next((words for found, words in tests if not found(line)), "")

    return test


def _holds_text(text: bytes, line: bytes) -> bool:
    return text in line


_SPACE: Final = b" \t\n\f\r"  # what RE2 takes for space
_STATUS: Final = attrgetter("status")
_DURATION: Final = attrgetter("duration")
_PATH: Final = attrgetter("path")
_FIRST: Final = itemgetter(0)
_LAST: Final = itemgetter(-1)
_BRACES: Final = ({ord("{")}, {ord("}")})


def decode_lines(decoder: msgspec.json.Decoder[Any], lines: Sequence[bytes]) -> tuple[list[Any], Sequence[bytes]]:
    """A row for each line that has the decoder's form, and the lines that have not.

    msgspec takes many lines in one call, but does not hold values to their lines. Where every line begins with { and
    ends with }, no value can span two, and equal numbers mean one a line.
    """
    try:
        if (set(map(_FIRST, lines)), set(map(_LAST, lines))) == _BRACES:
            decoded = decoder.decode_lines(b"\n".join(lines))
            if len(decoded) == len(lines):
                return decoded, ()
    except (IndexError, *_NOT_DECODED):
        pass  # an empty line, or one that is no JSON: they are looked at one by one
    rows: list[Any] = []
    odd: list[bytes] = []
    waiting = iter(lines)
    while True:
        try:
            rows.extend(map(decoder.decode, waiting))
        except _NOT_DECODED:
            odd.append(lines[len(rows) + len(odd)])
        else:
            return rows, odd


_NOT_DECODED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _row(shape: JsonShape, *, service: bool = False) -> Any:
    """A msgspec type for the shape's fields; None when they do not stand side by side in one object."""
    wanted: list[tuple[str, tuple[str, ...], type, object]] = [("status", shape.status, int, 0)]
    if shape.duration:
        wanted.append(("duration", shape.duration, float, -1.0))  # a negative duration is as good as none
    if shape.path:
        wanted.append(("path", shape.path, str, ""))
    if shape.method:
        wanted.append(("method", shape.method, str, ""))
    if service:
        wanted.append(("service", ("service",), str, ""))
    if any(len(names) != 1 for _, names, _, _ in wanted) or len({names for _, names, _, _ in wanted}) < len(wanted):
        return None
    namespace: dict[str, Any] = {}
    if not shape.duration:
        namespace["duration"] = -1.0
    if not shape.path:
        namespace["path"] = ""
    if not shape.method:
        namespace["method"] = ""
    return msgspec.defstruct(
        "Row",
        [(name, type_, default) for name, _, type_, default in wanted],
        rename={name: names[0] for name, names, _, _ in wanted},
        namespace=namespace,
        gc=False,
    )


def _json_fields(shape: JsonShape) -> Callable[[bytes], Mapping[str, object] | None]:
    def fields(line: bytes) -> Mapping[str, object] | None:
        data = load_json(line)
        if not isinstance(data, dict):
            return None
        return {
            "status": _walk(data, shape.status),
            "duration": _walk(data, shape.duration),
            "path": _walk(data, shape.path),
            "method": _walk(data, shape.method),
            "service": data.get("service"),
            **{f"only{number}": _walk(data, names) for number, names in enumerate(shape.only)},
        }

    return fields


def _hashable(value: object) -> object:
    return value if isinstance(value, str | int | float) else None


def _walk(data: Any, names: Iterable[str]) -> object:
    empty = True
    for name in names:
        if not isinstance(data, dict):
            return None
        data = data.get(name)
        empty = False
    return None if empty else data
