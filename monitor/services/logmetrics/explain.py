"""How a line is read, in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor.domain.logs.events import EventParser, EventRule
from monitor.domain.logs.parse import LineParser, Reading
from monitor.domain.logs.rules import LogRule


@dataclass(frozen=True, slots=True)
class Explained:
    """`counted`: what the line adds to the metrics, a phrase each; `raw`: the fields as they stand in the line."""

    reading: Reading
    raw: dict[str, object]
    counted: tuple[str, ...]


def explain_line(rule: LogRule | None, line: bytes, events: EventRule | None = None) -> Explained:
    """Read one line, which has no line end, by the rules of its service, as the daemon does.

    >>> explain_line(LogRule("json", "status", "took", "ms", None), b'{"status": 503, "took": 12}').counted
    ('a request with code 503', 'a duration of 0.012 s, in the bucket up to 0.025')
    """
    told = Explained(Reading("other"), {}, ("nothing: requests of this service are not counted",))
    if rule is not None:
        told = _explain_request(rule, line)
    names = EventParser(events).names(line) if events is not None else []
    return replace(told, counted=(*told.counted, *(f"an event: {name}" for name in names)))


def _explain_request(rule: LogRule, line: bytes) -> Explained:
    parser = LineParser(rule)
    reading = parser.read(line)
    raw = {name: value for name, value in (parser.fields(line) or {}).items() if value is not None}
    if reading.kind == "other":
        return Explained(reading, raw, (f"nothing: it is no request, {reading.note}",))
    if reading.kind == "unparsed":
        return Explained(reading, raw, (f"an unparsed line: {reading.note}",))
    if reading.kind == "health":
        why = reading.note or f"a health check of {reading.path}"
        return Explained(reading, raw, (f"nothing: {why}",))
    counted = [f"a request with code {reading.status}"]
    if reading.seconds is None:
        counted.append(
            f"no duration: {reading.note}" if rule.duration else "no duration: the rule names no field for it"
        )
    else:
        counted.append(f"a duration of {reading.seconds:g} s, in the bucket up to {reading.le}")
    return Explained(reading, raw, tuple(counted))
