"""The two forms of a rule, LogQL text and Python parser, count the same lines the same way.

The LogQL text is run by Go's own template, regexp, strconv and encoding/json packages and by sprig, which Loki runs
as well; only the few stages around them are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.logql import Selector, queries
from monitor.domain.logs.parse import LineParser
from monitor.domain.logs.rules import LogRule
from monitor.domain.logs.values import scale
from tests.support.loglines import RULES, lines_for
from tests.support.miniloki import MiniLoki

pytestmark = pytest.mark.tools

EXAMPLES = 60  # tools/fuzz.py goes on for as long as it is told
AT = 1_795_466_460 * 10**9
Told = tuple[str, str, float | None]  # code, le, duration in the unit


def by_logql(loki: MiniLoki, rule: LogRule, lines: Sequence[bytes]) -> list[Told]:
    """Each line as a service of its own, so that the answer tells them apart."""
    labels = {"project": "p", "kind": rule.kind}
    loki.push([({**labels, "service": f"s{n}"}, AT - n, line) for n, line in enumerate(lines)], reset=True)
    told = {name: {} for name in ("counts", "histogram", "durations")}  # type: dict[str, dict[str, str]]
    for name, query in queries(rule, Selector("p", rule.kind), 60_000).named():
        for series in loki.query(query, AT):
            metric, value = series["metric"], series["value"][1]
            if name == "durations":
                told[name][metric["service"]] = value
            else:
                assert value == "1"
                told[name][metric["service"]] = metric["code" if name == "counts" else "le"]
    return [
        (
            told["counts"].get(f"s{n}", "other"),
            told["histogram"].get(f"s{n}", ""),
            float(told["durations"][f"s{n}"]) if f"s{n}" in told["durations"] else None,
        )
        for n in range(len(lines))
    ]


def by_python(rule: LogRule, lines: Sequence[bytes]) -> list[Told]:
    parser = LineParser(rule)
    nanos = scale(rule.unit, ()).nanos
    told: list[Told] = []
    for line in lines:
        reading = parser.read(line)
        code = reading.status if reading.kind == "request" else reading.kind
        told.append((code, reading.le, None if reading.seconds is None else reading.seconds * 1e9 / nanos))
    return told


def compare(loki: MiniLoki, rule: LogRule, lines: Sequence[bytes]) -> None:
    """Both forms agree on every line, and counting many lines at once is counting one by one."""
    expected = by_logql(loki, rule, lines)
    for line, logql, python in zip(lines, expected, by_python(rule, lines), strict=True):
        assert python[:2] == logql[:2], line
        assert (python[2] is None) == (logql[2] is None), line
        assert (python[2] or 0.0) == pytest.approx(logql[2] or 0.0, rel=1e-12, abs=1e-12), line
    whole, single = Counts(), Counts()
    parser = LineParser(rule)
    parser.count(lines, whole)
    for line in lines:
        parser.count_one(line, single)
    assert abs(whole.nanos - single.nanos) <= len(lines)  # each is rounded to a nanosecond
    whole.nanos = single.nanos
    assert whole == single


@pytest.mark.parametrize("name", RULES)
def test_both_forms_count_generated_lines_alike(loki: MiniLoki, name: str) -> None:
    rule = RULES[name]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(lines_for(rule), min_size=1, max_size=25))
    def check(lines: list[bytes]) -> None:
        compare(loki, rule, lines)

    check()


@pytest.mark.parametrize("name", RULES)
def test_garbage_is_counted_and_never_fatal(name: str) -> None:
    """Bytes of any kind, very long lines, deep nesting, endless digits: a line each, and fast."""
    hostile = [
        bytes(range(256)).replace(b"\n", b""),
        b"\x00" * 1000,
        b"[" * 100_000,
        b'{"status":' * 20_000,
        b'{"status":' + b"9" * 100_000 + b"}",
        b'{"status":200,"duration":1e' + b"9" * 1000 + b"}",
        b'{"status":200,"path":"' + b"\\\\" * 100_000 + b'"}',
        b'"' * 100_000,
        b"a " * 100_000 + b"status=200",
        b'x="' * 50_000,
        b'10.0.0.1 - - [x] "' + b"\\x16" * 50_000 + b'" 400 0 "-" "-"',
        b'10.0.0.1 - - [x] "GET ' + b"a" * 1_000_000,
        b"x" * 1_000_000,
    ]
    counts = Counts()
    parser = LineParser(RULES[name])
    parser.count(hostile, counts)
    assert counts.lines == sum(parser.read(line).kind != "other" for line in hostile)
    assert counts.lines == len(hostile) or RULES[name].only
    assert counts.nanos < 10**12
    single = Counts()
    for line in hostile:
        LineParser(RULES[name]).count_one(line, single)
    assert single == counts
