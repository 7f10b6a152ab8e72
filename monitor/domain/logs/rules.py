"""How a request is read out of a line: one definition for each format.

Two forms are made of it that mean the same: a Python parser (`logparse`) and LogQL text (`logql`). What both hold to:

- A line is a *request* when its status is a whole number from 100 to 599; else the line is *unparsed*.
- The proxy's status -1 says that the client left before an answer: such a line is left out.
- A request whose path, without its query, is one of `ignore` is a health check: it is left out.
- A request counts by its status whatever its duration. A duration that is missing, no number, negative, or longer than
  `MAX_SECONDS` is in no bucket and in no sum.
- A duration is compared with the bounds as a float64 in its own unit, so that both forms agree at a bucket's edge.
- JSON is what Go's encoding/json takes; of a key that stands twice the last one counts.
- Text is matched by RE2, the engine of Loki (Go) and ours; of a logfmt key that stands twice the last valid one counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from monitor.domain.logs.requests import DEFAULT_BUCKETS
from monitor.domain.names import KIND_ACCESS, KIND_APP, LOKI_LABELS

Format = Literal["access", "json", "logfmt", "nginx", "caddy", "regex"]
Unit = Literal["s", "ms", "us", "ns", "duration"]

MAX_SECONDS: Final = 366 * 86400  # a longer duration is a broken line, and would spoil the sum for good
PER_SECOND: Final[dict[Unit, int]] = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000, "duration": 1}

# Bounded digits: what matches never overflows a float64, whose text forms differ from language to language there.
NUMBER: Final = r"[0-9]{1,18}(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,2})?"
# What Go's time.ParseDuration reads, less signs; ten digits keep it inside of its 64 bits of nanoseconds.
GO_DURATION: Final = (
    r"(?:[0-9]{1,10}(?:\.[0-9]{1,9})?(?:ns|us|\x{b5}s|\x{3bc}s|ms|s)|[0-9]{1,6}(?:\.[0-9]{1,9})?[mh])+|0"
)
STATUS: Final = "[1-5][0-9][0-9]"

# A run without spaces, in which quotes pair up: `key=value`, `key="a value"`, or a bare word.
_QUOTED: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_PAIR: Final = rf'[^\s"]*(?:{_QUOTED}[^\s"]*)*'
_NGINX: Final = (
    r'^\S+ \S+ \S+ \[[^\]]*\] "(?:[A-Z]+ (?P<path>[^\s"\\]*)[^"\\]*(?:\\.[^"\\]*)*|[^"\\]*(?:\\.[^"\\]*)*)"'
    r" (?P<status>[1-5][0-9][0-9]) (?:[0-9]+|-)"
    rf"(?: {_QUOTED} {_QUOTED}(?: {_QUOTED})*(?: (?:[a-z_]+=)?(?P<duration>[^\s\"]+))?)?(?:\s|$)"
)


@dataclass(frozen=True, slots=True)
class LogRule:
    """How the requests of one service are read.

    Args:
        format: `access` is the proxy's own JSON, one log for all services, a line of which names its service.
        status: field of the HTTP status; in JSON, `a.b` is a field of an object and `["a.b"]` a name with a dot.
        duration: field of the duration; None when the line has none.
        unit: the duration's; `duration` is Go's text form, such as 12ms.
        path: field of the request's path; None when the line has none.
        ignore: paths of health checks.
        regex: with format `regex`: RE2 with groups named as the three fields.
        buckets: upper bounds of the histogram in seconds, rising, without +Inf.
    """

    format: Format = "access"
    status: str = "status"
    duration: str | None = "duration_us"
    unit: Unit = "us"
    path: str | None = "path"
    ignore: tuple[str, ...] = ()
    regex: str = ""
    buckets: tuple[float, ...] = DEFAULT_BUCKETS

    @property
    def kind(self) -> str:
        """The `kind` label of the streams that hold its lines."""
        return KIND_ACCESS if self.format == "access" else KIND_APP

    @property
    def shape(self) -> JsonShape | TextShape:
        """Where the fields stand in a line."""
        if self.format in {"access", "json", "caddy"}:
            return JsonShape(
                json_path(self.status),
                json_path(self.duration) if self.duration else (),
                json_path(self.path) if self.path else (),
            )
        if self.format == "nginx":
            return TextShape(_NGINX, "status", "duration", "path")
        if self.format == "logfmt":
            return TextShape(
                "",
                "status",
                "duration" if self.duration else "",
                "path" if self.path else "",
                tuple(
                    _logfmt(name, field, value)
                    for name, field, value in (
                        ("status", self.status, STATUS),
                        ("duration", self.duration, r'[^\s"]*'),
                        ("path", self.path, r'[^\s"\\]*'),
                    )
                    if field
                ),
            )
        return TextShape(
            re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", self.regex), self.status, self.duration or "", self.path or ""
        )


@dataclass(frozen=True, slots=True)
class JsonShape:
    """Each field as the names on the way to it; empty when there is none."""

    status: tuple[str, ...]
    duration: tuple[str, ...]
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextShape:
    """An RE2 pattern and its groups, or one pattern a field, the first for the status."""

    pattern: str
    status: str
    duration: str
    path: str
    each: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        return self.each or (self.pattern,)


def _logfmt(name: str, field: str, value: str) -> str:
    """RE2 for the last `field=value` of a line that stands outside of all quotes."""
    return rf'^(?:{_PAIR}\s+)*{re.escape(field)}="?(?P<{name}>{value})"?(?:\s|$)'


def json_path(text: str) -> tuple[str, ...]:
    """The names on the way to a field.

    >>> json_path("response.status"), json_path('["http.status"]')
    (('response', 'status'), ('http.status',))
    """
    parts = re.finditer(r'\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+)', text)
    return tuple(part[2] if part[1] is None else re.sub(r"\\(.)", r"\1", part[1]) for part in parts)


def bound_in_unit(bound: float, unit: Unit) -> str:
    """A bound in seconds as a decimal of the unit, always with a point: Go's templates compare floats only with floats.

    >>> bound_in_unit(0.005, "us"), bound_in_unit(0.1, "s"), bound_in_unit(1.0, "s")
    ('5000.0', '0.1', '1.0')
    """
    text = format((Decimal(repr(float(bound))) * PER_SECOND[unit]).normalize(), "f")
    return text if "." in text else f"{text}.0"


def default_fields(format_: Format) -> tuple[str, str | None, Unit, str | None]:
    """Status, duration, unit and path, as the format usually names them."""
    return {
        "access": ("status", "duration_us", "us", "path"),
        "caddy": ("status", "duration", "s", "request.uri"),
    }.get(format_, ("status", "duration", "s", "path"))  # type: ignore[return-value]


def rule_problem(rule: LogRule, groups: frozenset[str] | None) -> str:
    """Why the rule cannot be followed; empty when it can. `groups` are those of a compiled regex."""
    if any(b <= a for a, b in zip((0.0, *rule.buckets), rule.buckets, strict=False)):
        return "buckets must be above 0 and rise"
    if rule.buckets and rule.buckets[-1] > MAX_SECONDS:
        return f"buckets must not exceed {MAX_SECONDS} seconds"
    if rule.format != "regex":
        return ""
    for field in (rule.status, rule.duration, rule.path):
        if field and groups is not None and field not in groups:
            return f"the regex has no group (?P<{field}>...)"
        if field in LOKI_LABELS:
            return f"a group must not be named {field!r}, which is a label of every stream in Loki"
    return ""
