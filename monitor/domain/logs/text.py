"""The Python form of rules for text: RE2, as in Loki, so that no line can make it slow.

RE2's Python binding takes 4 to 6 microseconds a line. For the two usual formats, lines of the usual form are cut up in
less than one by other means; whatever is the least bit unusual about a line sends it to RE2.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import compress, repeat
from operator import itemgetter, not_
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

_PATH, _STATUS, _DURATION = (itemgetter(number) for number in range(3))
_UNUSUAL: Final = (b"\\", b"\t", b"\n", b"\r", b"\f", b"\v", *MARKS)
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
        rows: list[_Cut | None]
        if any(map(b"".join(lines).__contains__, unusual)):
            rows = [None if any(map(line.__contains__, unusual)) else cut(line) for line in lines]
        else:
            rows = list(map(cut, lines))
        if not all(rows):
            for line in compress(lines, map(not_, rows)):
                one(line, into)
        good = list(filter(None, rows))
        into.lines += len(good)
        if self._ignore:
            good = self._asked(good, into)
        for code, count in Counter(map(_STATUS, good)).items():
            text = code.decode()
            into.codes[text] = into.codes.get(text, 0) + count
        self._parser.observe(self._numbers(list(map(_DURATION, good))), into)

    def _asked(self, rows: list[_Cut], into: Counts) -> list[_Cut]:
        """Those that are no health checks."""
        ignore = self._ignore
        maybe = list(map(bytes.startswith, map(_PATH, rows), repeat(ignore)))
        if not any(maybe):
            return rows
        kept = [not (may and row[0].partition(b"?")[0] in ignore) for may, row in zip(maybe, rows, strict=True)]
        good = list(compress(rows, kept))
        into.ignored += len(rows) - len(good)
        return good

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


def logfmt_cut(rule: LogRule) -> Callable[[bytes], _Cut | None]:
    """Pairs outside of all quotes, in any order; of several with one key the last counts, as a repeated group does.

    A pair of one of the keys with a value that wants a closer look makes a line unusual. Possessive throughout.
    """
    keys = {"path": rule.path if rule.ignore else None, "status": rule.status, "duration": rule.duration}
    values = {"path": rb'[^ "]*+(?<!,)', "status": rb"[1-5][0-9][0-9]", "duration": rb'[^ "]*+(?<!,)'}
    pairs = [
        rb"(?P<%s>(?!))" % name.encode()
        if not key
        else rb"%s=(?P<%s>%s)(?= |\Z)" % (re.escape(key.encode()), name.encode(), values[name])
        for name, key in keys.items()
    ]
    others = rb"|".join(re.escape(key.encode()) for key in keys.values() if key)
    rest = rb'(?!(?:%s)=)[^ "]*+(?:"[^"]*+"[^ "]*+)*+' % others
    usual = re.compile(rb"(?:(?:\A| )(?:%s|%s))*+\Z" % (rb"|".join(pairs), rest)).match

    def cut(line: bytes) -> _Cut | None:
        match = usual(line)
        if match is None:
            return None
        found: _Cut = match.groups(b"")  # type: ignore[assignment]  # three groups
        return found if found[1] else None

    return cut
