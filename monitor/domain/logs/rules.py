"""How a request is read out of a line: one definition for each format.

Two forms are made of it that mean the same: a Python parser (`parse`) and LogQL text (`logql`). What both hold to:

- Colors, a byte order mark and a CR at the end are no part of a line.
- A line that `only` does not let through is none of ours: it is in no count at all.
- A line is a *request* when its status is a whole number from 100 to 599; else the line is *unparsed*.
- A status that says that there was nobody to answer (the proxy's -1, nginx's 000) leaves the line out, and a blank
  line is left out as well.
- A request whose path, without its query, is one of `ignore` is a health check: it is left out.
- A request counts by its status whatever its duration. A duration that is missing, no number, negative, or longer than
  `MAX_SECONDS` is in no bucket and in no sum.
- A number is in the rule's unit. Text may bring its own (12ms, 12 ms, PT0.012S, 00:00:00.01), have a decimal comma, or
  list the times of several upstreams, which are added up.
- A duration is compared with the bounds as a float64 in the rule's unit, so that both forms agree at a bucket's edge.
- JSON is what Go's encoding/json takes; of a key that stands twice the last one counts.
- Text is matched by RE2, the engine of Loki (Go) and ours; of a logfmt key that stands twice the last valid one counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from monitor.domain.logs.formats import FORMATS, Format, Reader, Unit
from monitor.domain.logs.match import Condition, fields_of
from monitor.domain.logs.ownformat import own_format
from monitor.domain.logs.patterns import PAIR, STATUS
from monitor.domain.logs.requests import DEFAULT_BUCKETS
from monitor.domain.logs.routes import route_problem
from monitor.domain.names import KIND_ACCESS, KIND_APP, LOKI_LABELS

MAX_SECONDS: Final = 366 * 86400  # a longer duration is a broken line, and would spoil the sum for good
PER_SECOND: Final[dict[Unit, int]] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000, "duration": 1}
_OWN: Final = Format("text", left=("000",))


def format_of(name: str) -> Format:
    """The format of that name; any other text is a server's own format string."""
    return FORMATS.get(name, _OWN)


@dataclass(frozen=True, slots=True)
class LogRule:
    """How the requests of one service are read.

    Args:
        format: a name of `FORMATS`, or a server's own format string. `access` is the proxy's own JSON, one log for all
            services, a line of which names its service.
        status: field of the HTTP status; in JSON, `a.b` is a field of an object and `["a.b"]` a name with a dot.
        duration: field of the duration; None when the line has none.
        unit: the duration's; `duration` is Go's text form, such as 12ms.
        path: field of the request's path; None when the line has none.
        ignore: paths of health checks.
        regex: with format `regex`: RE2 with groups named as the three fields.
        buckets: upper bounds of the histogram in seconds, rising, without +Inf.
        only: what holds for lines that are requests.
        routes: patterns of paths that are told apart; what has none of them is `other`.
        method: field of the request's method, where routes are told apart by it as well.
    """

    format: str = "access"
    status: str = "status"
    duration: str | None = "duration_us"
    unit: Unit = "us"
    path: str | None = "path"
    ignore: tuple[str, ...] = ()
    regex: str = ""
    buckets: tuple[float, ...] = DEFAULT_BUCKETS
    only: Condition = ()
    routes: tuple[str, ...] = ()
    method: str | None = None

    @property
    def kind(self) -> str:
        """The `kind` label of the streams that hold its lines."""
        return KIND_ACCESS if self.format == "access" else KIND_APP

    @property
    def reader(self) -> Reader:
        return format_of(self.format).reader

    @property
    def left(self) -> tuple[str, ...]:
        """Statuses that say that there was nobody to answer."""
        return format_of(self.format).left

    @property
    def shape(self) -> JsonShape | TextShape:
        """Where the fields stand in a line."""
        asked = tuple(part.field for part in fields_of(self.only))
        if self.reader == "json":
            return JsonShape(
                json_path(self.status),
                json_path(self.duration) if self.duration else (),
                json_path(self.path) if self.path else (),
                tuple(map(json_path, asked)),
                json_path(self.method) if self.method else (),
            )
        if self.reader == "logfmt":
            return logfmt_shape(self.status, self.duration, self.path, asked, self.method)
        if self.reader == "regex":
            pattern = re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", self.regex)
            return TextShape(
                (pattern,),
                _one(self.status),
                _one(self.duration),
                _one(self.path),
                tuple(map(_one, asked)),
                _one(self.method),
            )
        pattern = FORMATS[self.format].pattern if self.format in FORMATS else own_format(self.format).pattern
        duration = _groups(pattern, "duration") if self.duration else ()
        method = _groups(pattern, "method") if self.method else ()
        return TextShape((pattern,), _groups(pattern, "status"), duration, _groups(pattern, "path"), method=method)


@dataclass(frozen=True, slots=True)
class JsonShape:
    """Each field as the names on the way to it; empty when there is none. `only` are the fields of the condition."""

    status: tuple[str, ...]
    duration: tuple[str, ...]
    path: tuple[str, ...]
    only: tuple[tuple[str, ...], ...] = ()
    method: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextShape:
    """RE2 patterns, of which the first must match, and each field's groups: the first that found something counts."""

    patterns: tuple[str, ...]
    status: tuple[str, ...]
    duration: tuple[str, ...]
    path: tuple[str, ...]
    only: tuple[tuple[str, ...], ...] = ()
    method: tuple[str, ...] = ()


def logfmt_shape(
    status: str, duration: str | None, path: str | None, asked: tuple[str, ...] = (), method: str | None = None
) -> TextShape:
    """One pattern a field, the first for the status, unless fields of a condition are asked for."""
    patterns = [_logfmt("status", status, STATUS)]
    if duration:
        quoted = r'(?:"(?P<duration1>[^"\\]*)"|"?(?P<duration2>[^\s"]*?)"?)'
        patterns.append(rf"{_before(duration)}{quoted},?(?:\s|$)")
    if path:
        patterns.append(_logfmt("path", path, r'[^\s"\\]*?'))
    if method:
        patterns.append(_logfmt("method", method, r'[^\s"\\]*?'))
    groups = []
    for number, field in enumerate(asked):
        name = f"only{number}"
        quoted = rf'(?:"(?P<{name}q>[^"\\]*)"|"?(?P<{name}>[^\s"]*?)"?)'
        patterns.append(rf"{_before(field)}{quoted},?(?:\s|$)")
        groups.append((f"{name}q", name))
    return TextShape(
        tuple(patterns),
        ("status",),
        ("duration1", "duration2") if duration else (),
        ("path",) if path else (),
        tuple(groups),
        ("method",) if method else (),
    )


def _one(group: str | None) -> tuple[str, ...]:
    return (group,) if group else ()


def _before(field: str) -> str:
    return rf"^(?:{PAIR}\s+)*{re.escape(field)}="


def _logfmt(name: str, field: str, value: str) -> str:
    """RE2 for the last `field=value` of a line that stands outside of all quotes; a comma may follow."""
    return rf'{_before(field)}"?(?P<{name}>{value})"?,?(?:\s|$)'


def _groups(pattern: str, name: str) -> tuple[str, ...]:
    return tuple(re.findall(rf"\(\?P<({name}[0-9]*)>", pattern))


def json_path(text: str) -> tuple[str, ...]:
    """The names on the way to a field.

    >>> json_path("response.status"), json_path('["http.status"]')
    (('response', 'status'), ('http.status',))
    """
    parts = re.finditer(r'\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+)', text)
    return tuple(part[2] if part[1] is None else re.sub(r"\\(.)", r"\1", part[1]) for part in parts)


def buckets_of(rules: Mapping[str, LogRule], service: str) -> tuple[float, ...]:
    """The bounds of a service's histogram; none where its requests are not counted."""
    return rules[service].buckets if service in rules else ()


def bound_in_unit(bound: float, unit: Unit) -> str:
    """A bound in seconds as a decimal of the unit, always with a point: Go's templates compare floats only with floats.

    >>> bound_in_unit(0.005, "us"), bound_in_unit(0.1, "s"), bound_in_unit(1.0, "s")
    ('5000.0', '0.1', '1.0')
    """
    text = format((Decimal(repr(float(bound))) * PER_SECOND[unit]).normalize(), "f")
    return text if "." in text else f"{text}.0"


def default_fields(format_: str) -> tuple[str, str | None, Unit, str | None]:
    """Status, duration, unit and path, as the format usually names them."""
    if format_ not in FORMATS:
        own = own_format(format_)
        return "status", "duration" if "duration" in own.groups else None, own.unit, "path"
    known = FORMATS[format_]
    return known.status, known.duration, known.unit, known.path


def rule_problem(rule: LogRule, groups: frozenset[str] | None) -> str:
    """Why the rule cannot be followed; empty when it can. `groups` are those of a compiled regex."""
    if any(b <= a for a, b in zip((0.0, *rule.buckets), rule.buckets, strict=False)):
        return "buckets must be above 0 and rise"
    if rule.buckets and rule.buckets[-1] > MAX_SECONDS:
        return f"buckets must not exceed {MAX_SECONDS} seconds"
    if rule.routes and not rule.path:
        return "routes need the path of a request: name its field"
    if rule.routes and route_problem(rule.routes):
        return f"routes: {route_problem(rule.routes)}"
    if rule.reader == "text":
        return _fields_problem(rule)
    return _group_problem(rule, groups) if rule.format == "regex" else ""


def _fields_problem(rule: LogRule) -> str:
    if fields_of(rule.only):
        return "a line of this format has no fields that `only` could name: use contains or matches"
    return "" if rule.format in FORMATS else own_format(rule.format).problem


def _group_problem(rule: LogRule, groups: frozenset[str] | None) -> str:
    for field in (rule.status, rule.duration, rule.path, rule.method, *(part.field for part in fields_of(rule.only))):
        if field and groups is not None and field not in groups:
            return f"the regex has no group (?P<{field}>...)"
        if field in LOKI_LABELS:
            return f"a group must not be named {field!r}, which is a label of every stream in Loki"
    return ""
