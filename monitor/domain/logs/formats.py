"""The formats that have a name: how their lines are read, and what their fields are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from monitor.domain.logs.match import ANY, Condition, Match
from monitor.domain.logs.patterns import ESCAPED, PAIR, PLAIN_TIME, QUOTED, SOME_TIME, TIMED, request

Reader = Literal["json", "logfmt", "regex", "text"]
Unit = Literal["s", "ms", "us", "ns", "duration"]


@dataclass(frozen=True, slots=True)
class Format:
    """How the lines of a format are read.

    Args:
        reader: which reader reads them.
        status: the field with the status; of text, what the names of its groups begin with.
        duration: likewise; None when the format has none.
        unit: the duration's unit.
        path: likewise.
        method: likewise.
        only: which lines are requests at all.
        left: statuses that say that there was nobody to answer.
        pattern: of text, RE2.
    """

    reader: Reader
    status: str = "status"
    duration: str | None = "duration"
    unit: Unit = "s"
    path: str | None = "path"
    method: str | None = "method"
    only: Condition = ()
    left: tuple[str, ...] = ()
    pattern: str = ""


# `addresses and users [time] "request" status size`: what stands before the time may have spaces in it.
_HEAD: Final = rf'^[^"]*\[[^\]"]*\] "{request()}" (?P<status>[0-9]{{3}}) (?:[0-9]+|-)'
_CLF: Final = rf"{_HEAD}(?:\s|$)"
# A bare number is a duration only where it is the last thing in the line, right behind the quoted fields; others need
# a name or a unit: one more number, or something behind it, and it is a size or a counter.
_KEYS: Final = "rt|request_time|response_time|duration|time|time_taken|took|elapsed|latency"
_COMBINED: Final = (
    rf"{_HEAD}(?:"
    rf'(?: {PAIR})*? (?:{_KEYS})[=:](?:"(?P<duration1>{ESCAPED})"|(?P<duration2>[^\s"]+))(?:\s|$)'
    rf'| {QUOTED} {QUOTED}(?: {QUOTED})* (?:- )?(?:"(?P<duration3>{SOME_TIME})"|(?P<duration4>{SOME_TIME}))$'
    rf"|(?: {PAIR})*? (?P<duration5>{TIMED})$"
    r"|(?:\s|$))"
)
_TRAEFIK: Final = rf"{_HEAD} {QUOTED} {QUOTED} [0-9]+ {QUOTED} {QUOTED} (?P<duration>[0-9]+ms)(?:\s|$)"
_INGRESS: Final = rf"{_HEAD} {QUOTED} {QUOTED} (?:[0-9]+|-) (?P<duration>{PLAIN_TIME}|-) \[[^\]]*\](?:\s|$)"
# Timers of `option httplog`: request, queue, connect, response, all of it; -1 where it never came to that.
_HAPROXY: Final = (
    r'^[^"]*\[[^\]"]*\] \S+ \S+ (?:-?[0-9]+/){4}\+?(?P<duration>-?[0-9]+) (?P<status>-?[0-9]{1,3}) \+?[0-9]+ '
    rf'\S+ \S+ [A-Za-z-]{{4}} \S+ [0-9]+/[0-9]+ (?:\{{[^"]*\}} )*"{request()}(?:"|$)'
)
# Envoy's own layout, and Istio's, which has three fields more behind the flags.
_ENVOY: Final = (
    rf'^\[[^\]"]*\] "{request()}" (?P<status>[0-9]{{1,3}}) \S+ (?:\S+ \S+ {QUOTED} )?[0-9]+ [0-9]+ '
    r"(?P<duration>[0-9]+|-)(?:\s|$)"
)
_UVICORN: Final = rf'^[^"]* - "{request()}" (?P<status>[0-9]{{3}})(?:\s|$)'
# combined and common; else dev (`:status :response-time ms - :size`), tiny and short (`:status :size - :time ms`).
_MORGAN: Final = (
    rf"(?:{_HEAD}(?:(?: {PAIR})*? - (?P<duration3>[0-9.]+ ms)$|(?:\s|$))|"
    r"^(?:[^\s\"]+ [^\s\"]+ )?(?P<method2>[A-Z]+) (?P<path2>[^\s\"]+)(?: HTTP/[0-9.]+)? (?P<status2>[0-9]{3}|-) "
    r"(?:(?P<duration1>[0-9.]+ ms|- ms) - [^\s\"]+|[^\s\"]+ - (?P<duration2>[0-9.]+ ms|- ms))$)"
)
_LEFT: Final = ("000",)  # nginx: the client was gone before there was an answer

FORMATS: Final[dict[str, Format]] = {
    "access": Format("json", duration="duration_us", unit="us", left=("-1",)),
    "json": Format("json"),
    "logfmt": Format("logfmt"),
    "regex": Format("regex"),
    "nginx": Format("text", left=_LEFT, pattern=_COMBINED),
    "ingress-nginx": Format("text", left=_LEFT, pattern=_INGRESS),
    "apache-vhost": Format("text", duration=None, left=_LEFT, pattern=_CLF),
    "caddy": Format(
        "json",
        path="request.uri",
        method="request.method",
        only=(
            Match(field="logger", values=("http.log.access", "http.log.access.*", "")),
            Match(field="status", values=(ANY,)),
        ),
    ),
    "traefik": Format("text", unit="ms", only=(Match(contains='] "'),), pattern=_TRAEFIK),
    "traefik-json": Format(
        "json",
        "DownstreamStatus",
        "Duration",
        "ns",
        "RequestPath",
        "RequestMethod",
        only=(Match(field="DownstreamStatus", values=(ANY,)),),
    ),
    "haproxy-http": Format(
        "text", unit="ms", only=(Match(pattern=r"\] \S+ \S+ -?[0-9]+/"),), left=("-1",), pattern=_HAPROXY
    ),
    "envoy": Format("text", unit="ms", only=(Match(pattern=r'^\[[^\]]*\] "'),), left=("0",), pattern=_ENVOY),
    "gunicorn": Format("text", duration=None, only=(Match(contains='] "'),), pattern=_CLF),
    "uvicorn": Format("text", duration=None, only=(Match(contains=" HTTP/"),), pattern=_UVICORN),
    "morgan": Format("text", unit="ms", left=("-",), pattern=_MORGAN),
    "rails": Format("logfmt", unit="ms", only=(Match(field="controller", values=(ANY,)),)),
}
PRESETS: Final = tuple(name for name in FORMATS if name != "access")
"""What a person may write as `format`, besides a server's own format string."""
