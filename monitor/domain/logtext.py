"""The Python form of rules for text: RE2, as in Loki, so that no line can make it slow.

RE2's Python binding takes 4 to 6 microseconds a line. For the two usual formats, lines of the usual form are cut up by
the methods of bytes instead, in less than one; whatever is the least bit unusual about a line sends it to RE2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import re2

from monitor.domain.logcounts import Counts
from monitor.domain.logrules import LogRule, TextShape
from monitor.domain.logvalues import duration_of

if TYPE_CHECKING:
    from monitor.domain.logparse import LineParser

_Cut = tuple[bytes, bytes, bytes]
"""Status, duration and path; empty where there is none."""

_UNUSUAL: Final = (b"\\", b"\t", b"\n", b"\r", b"\f", b"\v")
_QUOTED_PARTS: Final = frozenset({7, 9})  # pieces that three or four quoted strings cut a line into
_WORDS: Final = 3
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
    """The fields of a line; None when it does not match."""
    plan: list[tuple[Callable[[bytes], Any], list[tuple[str, int]]]] = []
    for pattern in shape.patterns:
        compiled = compile_re2(pattern)
        numbers = group_numbers(compiled)
        wanted = (("status", shape.status), ("duration", shape.duration), ("path", shape.path))
        plan.append((compiled.search, [(field, numbers[group]) for field, group in wanted if group in numbers]))

    def fields(line: bytes) -> Mapping[str, object] | None:
        found: dict[str, object] = {}
        for search, wanted in plan:
            match = search(line)
            if match is None:
                if not found:
                    return None
                continue
            for field, number in wanted:
                value = match[number]
                found[field] = "" if value is None else value.decode("utf-8", "replace")
        return found

    return fields


class TextBlocks:
    """Counts many lines at once."""

    def __init__(self, parser: LineParser) -> None:
        self._parser = parser
        rule = parser.rule
        self._cut: Callable[[bytes], _Cut | None] | None = None
        if rule.format == "nginx":
            self._cut = NginxCut(bool(rule.ignore))
        elif rule.format == "logfmt":
            self._cut = logfmt_cut(rule)
        self._ignore = tuple(path.encode() for path in rule.ignore)
        self._durations: dict[bytes, float | None] = {}

    def count(self, lines: Sequence[bytes], into: Counts) -> bool:
        cut, one = self._cut, self._parser.count_one
        if cut is None:
            for line in lines:
                one(line, into)
            return True
        usual = not any(map(b"".join(lines).__contains__, _UNUSUAL))
        statuses: list[bytes] = []
        durations: list[bytes] = []
        ignore = self._ignore
        for line in lines:
            found = cut(line) if usual or not any(map(line.__contains__, _UNUSUAL)) else None
            if found is None:
                one(line, into)
                continue
            status, duration, path = found
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
        return True

    def _numbers(self, texts: list[bytes]) -> list[float]:
        known = self._durations
        if len(known) > _REMEMBERED:
            known.clear()
        rule, most = self._parser.rule, self._parser.scale.most
        for text in set(texts).difference(known):
            known[text] = duration_of(text.decode("utf-8", "replace"), rule.unit, most)[0]
        return [number for number in map(known.__getitem__, texts) if number is not None]


class NginxCut:
    """`ip - user [time] "request" status size "referer" "agent"`, perhaps one quoted more, perhaps the duration."""

    def __init__(self, paths: bool) -> None:  # noqa: FBT001 - one question, one answer
        self._paths = paths
        self._heads: dict[bytes, bool] = {}

    def __call__(self, line: bytes) -> _Cut | None:
        parts = line.split(b'"')
        count = len(parts)
        # Between the quoted parts stands one space each.
        if count not in _QUOTED_PARTS or parts[4] != b" " or parts[-3] != b" ":
            return None
        before, _, rest = parts[0].partition(b" [")
        if rest.find(b"] ") != len(rest) - 2 or not self._is_head(before):
            return None
        empty, status, size, *end = parts[2].split(b" ")
        if empty or end != [b""] or not _is_status(status) or not (size.isdigit() or size == b"-"):
            return None
        tail = parts[-1]
        duration = tail[1:]
        if tail and (tail[:1] != b" " or not duration or b" " in duration or b"=" in duration):
            return None
        path = b""
        if self._paths:
            method, _, target = parts[1].partition(b" ")
            if method.isalpha() and method.isupper():
                path = target.partition(b" ")[0]
        return status, duration, path

    def _is_head(self, text: bytes) -> bool:
        """Whether it is an address and two names; there are few, so that they are remembered."""
        known = self._heads.get(text)
        if known is None:
            if len(self._heads) > _REMEMBERED:
                self._heads.clear()
            words = text.split(b" ")
            known = self._heads[text] = len(words) == _WORDS and all(words)
        return known


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
        return None if duration is None or path is None else (status, duration, path)

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
        return None if b'"' in value else value

    return find
