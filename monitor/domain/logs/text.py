"""The Python form of rules for text: RE2, as in Loki, so that no line can make it slow.

RE2's Python binding takes 4 to 6 microseconds a line. For the two usual formats, lines of the usual form are cut up in
less than one by other means; whatever is the least bit unusual about a line sends it to RE2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import re2

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.formats import FORMATS
from monitor.domain.logs.lines import MARKS
from monitor.domain.logs.ownformat import own_format
from monitor.domain.logs.rules import LogRule, TextShape
from monitor.domain.logs.values import duration_of

if TYPE_CHECKING:
    from monitor.domain.logs.parse import LineParser

_Cut = tuple[bytes, bytes, bytes]
"""Path, status and duration; empty where there is none."""

_UNUSUAL: Final = (b"\\", b"\t", b"\n", b"\r", b"\f", b"\v", *MARKS)
_DIGITS: Final = 3
_REMEMBERED: Final = 20_000  # texts; durations are printed with few digits, so that most come again


def compile_re2(pattern: str) -> Any:
    """A pattern for bytes: any byte is a character, as good as Go's view of bad UTF-8.

    Raises:
        ValueError: it is no RE2.
    """
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None


def group_numbers(compiled: Any) -> dict[str, int]:
    return {name.decode() if isinstance(name, bytes) else name: number for name, number in compiled.groupindex.items()}


def text_fields(shape: TextShape) -> Callable[[bytes], Mapping[str, object] | None]:
    """The fields of a line; None when no pattern finds anything in it."""
    asked = {f"only{number}": groups for number, groups in enumerate(shape.only)}
    wanted = {"status": shape.status, "duration": shape.duration, "path": shape.path, "method": shape.method, **asked}
    plan: list[tuple[Callable[[bytes], Any], list[tuple[str, int]]]] = []
    for pattern in shape.patterns:
        compiled = compile_re2(pattern)
        numbers = group_numbers(compiled)
        order = [(field, numbers[group]) for field, groups in wanted.items() for group in groups if group in numbers]
        plan.append((compiled.search, order))

    def fields(line: bytes) -> Mapping[str, object] | None:
        found: dict[str, object] = {}
        for search, order in plan:
            match = search(line)
            if match is None:
                continue
            for field, number in order:
                if not found.get(field):  # of several groups, the first that found something
                    value = match[number]
                    found[field] = "" if value is None else value.decode("utf-8", "replace")
        return found or None

    return fields


class TextBlocks:
    """Counts many lines at once."""

    def __init__(self, parser: LineParser) -> None:
        self._parser = parser
        rule = parser.rule
        self._cut: Callable[[bytes], _Cut | None] | None = None
        self._unusual: tuple[bytes, ...] = _UNUSUAL
        if rule.only or rule.routes:
            pass
        elif rule.format == "nginx":
            self._cut = nginx_cut
        elif rule.reader == "logfmt":
            self._cut = logfmt_cut(rule)
        elif rule.format not in FORMATS:
            self._cut, self._unusual = own_cut(rule), (b"\\", *MARKS, b"\r")
        self._ignore = tuple(path.encode() for path in rule.ignore)
        self._durations: dict[bytes, float | None] = {}

    def count(self, lines: Sequence[bytes], into: Counts) -> None:
        cut, one = self._cut, self._parser.count_one
        if cut is None:
            for line in lines:
                one(line, into)
            return
        unusual = self._unusual
        usual = not any(map(b"".join(lines).__contains__, unusual))
        statuses: list[bytes] = []
        durations: list[bytes] = []
        ignore = self._ignore
        for line in lines:
            found = cut(line) if usual or not any(map(line.__contains__, unusual)) else None
            if found is None:
                one(line, into)
                continue
            path, status, duration = found
            if ignore and path.startswith(ignore) and path.partition(b"?")[0] in ignore:
                into.lines += 1
                into.ignored += 1
                continue
            statuses.append(status)
            durations.append(duration)
        into.lines += len(statuses)
        for code, count in Counter(statuses).items():
            text = code.decode()
            into.codes[text] = into.codes.get(text, 0) + count
        self._parser.observe(self._numbers(durations), into)

    def _numbers(self, texts: list[bytes]) -> list[float]:
        known = self._durations
        if len(known) > _REMEMBERED:
            known.clear()
        rule, most = self._parser.rule, self._parser.scale.most
        for text in set(texts).difference(known):
            known[text] = duration_of(text.decode("utf-8", "replace"), rule.unit, most)[0]
        return [number for number in map(known.__getitem__, texts) if number is not None]


def nginx_cut(line: bytes) -> _Cut | None:
    """`ip - user [time] "request" status size "referer" "agent"`, perhaps one quoted more, perhaps the duration."""
    match = _USUAL_NGINX(line)
    return match.groups(b"") if match else None  # type: ignore[return-value]  # three groups


# Possessive throughout: it never goes back, so that no line can make it slow. What might be a quoted duration is none
# of its business.
_USUAL_NGINX: Final = re.compile(
    rb'[^ "\[]++ [^ "\[]++ [^ "\[]++ \[[^\]"]*+\] '
    rb'"(?:[A-Z]++ (?:https?+://[^/" ]*+)?+(?P<path>[^" ]*+)[^"]*+|[^"]*+)" '
    rb'(?P<status>[1-5][0-9][0-9]) (?:[0-9]++|-) "[^"]*+" "[^"]*+"'
    rb'(?: "(?!(?:[0-9]++(?:[.,][0-9]*+)?+(?:[eE][-+]?+[0-9]++)?+(?: ?[^0-9". ]{1,3})?+|'
    rb'[0-9]++:[0-9:.]*+|PT[0-9HMS.]*+)")'
    rb'[^"]*+")?+'
    rb"(?: (?P<duration>[0-9]++(?:\.[0-9]++)?+))?+\Z"
).match


def own_cut(rule: LogRule) -> Callable[[bytes], _Cut | None]:
    """The usual lines of a server's own format."""
    own = own_format(rule.format)
    usual = re.compile(own.usual.encode()).match
    duration = bool(rule.duration) and "duration" in own.groups

    def cut(line: bytes) -> _Cut | None:
        match = usual(line)
        if match is None:
            return None
        found = match.groupdict(b"")
        return found.get("path", b""), found["status"], found["duration"] if duration else b""

    return cut


def _is_status(text: bytes) -> bool:
    return len(text) == _DIGITS and text.isdigit() and b"1" <= text[:1] <= b"5"


def logfmt_cut(rule: LogRule) -> Callable[[bytes], _Cut | None]:
    """Fields are looked for from the end, since the last one counts; it must stand outside of all quotes."""
    find_status, find_duration, find_path = (_finder(field) for field in (rule.status, rule.duration, rule.path))
    paths = bool(rule.ignore)

    def cut(line: bytes) -> _Cut | None:
        status = find_status(line)
        if status is None or not _is_status(status):
            return None
        duration = find_duration(line)
        path = find_path(line) if paths else b""
        return None if duration is None or path is None else (path, status, duration)

    return cut


def _finder(field: str | None) -> Callable[[bytes], bytes | None]:
    """Finds the value of a field; empty where it is missing, None where a closer look is needed."""
    if not field:
        return lambda _: b""
    key = f" {field}=".encode()
    length = len(key)

    def find(line: bytes) -> bytes | None:
        at = line.rfind(key)
        if at < 0:
            return None if line.startswith(key[1:]) else b""
        if line.count(b'"', 0, at) % 2:
            return None
        at += length
        end = line.find(b" ", at)
        value = line[at:end] if end >= 0 else line[at:]
        return None if b'"' in value or value[-1:] == b"," else value

    return find
