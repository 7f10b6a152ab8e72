"""The Python form of the rules: lines in, counts out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

from monitor.domain.logcounts import Counts
from monitor.domain.logrules import JsonShape, LogRule
from monitor.domain.logvalues import duration_of, load_json, plain_path, scale, status_of

_FEW: Final = 8  # lines; below, halving a block to find its odd line no longer pays


@dataclass(frozen=True, slots=True)
class Reading:
    """What one line says. `note` is why it is unparsed, or has no duration; `seconds` and `le` are of its duration."""

    kind: Literal["request", "health", "unparsed"]
    status: str = ""
    path: str = ""
    seconds: float | None = None
    le: str = ""
    note: str = ""
    service: str = ""


class LineParser:
    """Reads the lines of one service.

    Raises:
        ValueError: at its making, the rule's regex is no RE2.
    """

    def __init__(self, rule: LogRule) -> None:
        self.rule = rule
        self.scale = scale(rule.unit, rule.buckets)
        shape = rule.shape
        self._fields: Callable[[bytes], Mapping[str, object] | None]
        self._block: Callable[[Sequence[bytes], Counts], bool]
        if isinstance(shape, JsonShape):
            self._fields = _json_fields(shape)
            self._block = _JsonBlocks(self, shape).count
        else:
            from monitor.domain.logtext import TextBlocks, text_fields  # noqa: PLC0415 - re2 is slow to load

            self._fields = text_fields(shape)
            self._block = TextBlocks(self).count

    def read(self, line: bytes) -> Reading:
        """One line, told in full."""
        fields = self._fields(line)
        if fields is None:
            return Reading("unparsed", note=f"it does not have the form {self.rule.format}")
        service = fields.get("service")
        service = service if isinstance(service, str) else ""
        path = plain_path(fields.get("path"))
        value = fields.get("status")
        status = status_of(value)
        if not status:
            what = f"no field {self.rule.status!r}" if value is None else f"{value!r:.60} is no status from 100 to 599"
            return Reading("unparsed", path=path, note=what, service=service)
        if path in self.rule.ignore:
            return Reading("health", status, path, service=service)
        number, note = duration_of(fields.get("duration"), self.rule.unit, self.scale.most)
        if number is None:
            return Reading("request", status, path, note=note, service=service)
        le = self.scale.label(number)
        return Reading("request", status, path, number * self.scale.nanos / 1e9, le, service=service)

    def fields(self, line: bytes) -> Mapping[str, object] | None:
        """The raw values of status, duration, path and service; None when the line has not the rule's form."""
        return self._fields(line)

    def count(self, lines: Sequence[bytes], into: Counts) -> None:
        """Many lines at once: the same as `read` one by one, several times as fast."""
        if not lines:
            return
        if self._block(lines, into):
            return
        if len(lines) > _FEW:
            middle = len(lines) // 2
            self.count(lines[:middle], into)
            self.count(lines[middle:], into)
            return
        for line in lines:
            if not self._block((line,), into):
                self.count_one(line, into)

    def count_one(self, line: bytes, into: Counts) -> None:
        fields = self._fields(line)
        status = status_of(fields.get("status")) if fields else ""
        into.lines += 1
        if fields is None or not status:
            into.unparsed += 1
        elif plain_path(fields.get("path")) in self.rule.ignore:
            into.ignored += 1
        else:
            into.codes[status] = into.codes.get(status, 0) + 1
            number, _ = duration_of(fields.get("duration"), self.rule.unit, self.scale.most)
            if number is not None:
                self.observe([number], into)

    def observe(self, durations: list[float], into: Counts) -> None:
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
        self._decode = msgspec.json.Decoder(_row(JsonShape(("status",), ("duration_us",), ("path",)), service=True))

    def count(self, lines: Sequence[bytes], into: dict[str, Counts]) -> None:
        rows = _rows(self._decode, lines)
        if rows is None:
            if len(lines) > _FEW:
                middle = len(lines) // 2
                self.count(lines[:middle], into)
                self.count(lines[middle:], into)
            else:
                for line in lines:
                    self._one(line, into)
            return
        by_service: defaultdict[str, list[Any]] = defaultdict(list)
        for row in rows:
            by_service[row.service].append(row)
        for service, own in by_service.items():
            parser = self._parsers.get(service)
            if parser is not None:
                count_rows(parser, own, into.setdefault(service, Counts()), paths=True)

    def _one(self, line: bytes, into: dict[str, Counts]) -> None:
        fields = load_json(line)
        service = fields.get("service") if isinstance(fields, dict) else None
        if isinstance(service, str) and service in self._parsers:
            self._parsers[service].count_one(line, into.setdefault(service, Counts()))


class _JsonBlocks:
    """Decodes a whole block in one call, where every line is an object with fields of the usual types."""

    def __init__(self, parser: LineParser, shape: JsonShape) -> None:
        self._parser = parser
        type_ = None if parser.rule.unit == "duration" and shape.duration else _row(shape)
        self._decode = msgspec.json.Decoder(type_) if type_ is not None else None
        self._needles = tuple(path.encode() for path in parser.rule.ignore) if shape.path else ()

    def count(self, lines: Sequence[bytes], into: Counts) -> bool:
        """False, with nothing counted, when one of the lines needs a closer look."""
        if self._decode is None:
            return False
        block = b"\n".join(lines)
        rows = _rows(self._decode, lines, block)
        if rows is None:
            return False
        # A path can only be one of a health check when its text stands in the block, or hides behind an escape.
        paths = bool(self._needles) and (b"\\" in block or any(needle in block for needle in self._needles))
        count_rows(self._parser, rows, into, paths=paths)
        return True


def count_rows(parser: LineParser, rows: list[Any], into: Counts, *, paths: bool) -> None:
    """Count decoded rows (`status`, `duration`, `path`)."""
    into.lines += len(rows)
    codes = Counter(map(_STATUS, rows))
    if not all(100 <= code < 600 for code in codes):  # noqa: PLR2004
        good = [row for row in rows if 100 <= row.status < 600]  # noqa: PLR2004
        into.unparsed += len(rows) - len(good)
        rows, codes = good, Counter(map(_STATUS, good))
    ignore = parser.rule.ignore
    if paths and ignore:
        good = [
            row
            for row in rows
            if row.path is None or not row.path.startswith(ignore) or plain_path(row.path) not in ignore
        ]
        if len(good) < len(rows):
            into.ignored += len(rows) - len(good)
            rows, codes = good, Counter(map(_STATUS, good))
    for code, count in codes.items():
        text = str(code)
        into.codes[text] = into.codes.get(text, 0) + count
    durations = list(map(_DURATION, rows))
    try:
        parser.observe(durations, into)
    except TypeError:  # some have none
        parser.observe([duration for duration in durations if duration is not None], into)


_STATUS: Final = attrgetter("status")
_DURATION: Final = attrgetter("duration")


def _rows(decoder: msgspec.json.Decoder[Any], lines: Sequence[bytes], block: bytes | None = None) -> list[Any] | None:
    """One row for each line, or None.

    msgspec does not hold values to their lines; where every line begins with { and ends with }, none can span two, and
    equal numbers mean one a line.
    """
    if block is None:
        block = b"\n".join(lines)
    if block[:1] != b"{" or block[-1:] != b"}" or block.count(b"}\n{") != len(lines) - 1:
        return None
    try:
        rows = decoder.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return rows if len(rows) == len(lines) else None


def _row(shape: JsonShape, *, service: bool = False) -> Any:
    """A msgspec type for the shape's fields; None when one field lies inside of another, or they stand deeper."""
    wanted = [("status", shape.status, int, -1)]
    if shape.duration:
        wanted.append(("duration", shape.duration, float | None, None))  # type: ignore[arg-type]
    if shape.path:
        wanted.append(("path", shape.path, str | None, None))  # type: ignore[arg-type]
    if service:
        wanted.append(("service", ("service",), str, ""))  # type: ignore[arg-type]
    if any(len(names) != 1 for _, names, _, _ in wanted) or len({names for _, names, _, _ in wanted}) < len(wanted):
        return None
    namespace: dict[str, Any] = {}
    if not shape.duration:
        namespace["duration"] = None
    if not shape.path:
        namespace["path"] = None
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
            "service": data.get("service"),
        }

    return fields


def _walk(data: Any, names: Iterable[str]) -> object:
    empty = True
    for name in names:
        if not isinstance(data, dict):
            return None
        data = data.get(name)
        empty = False
    return None if empty else data
