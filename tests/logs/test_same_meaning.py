"""The two forms of a rule, LogQL text and Python parser, count the same lines the same way.

The LogQL text is run by Go's own template, regexp, strconv and encoding/json packages and by sprig, which Loki runs
as well; only the few stages around them are ours.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.domain.logcounts import Counts
from monitor.domain.logparse import LineParser
from monitor.domain.logql import Selector, queries
from monitor.domain.logrules import LogRule
from monitor.domain.logvalues import scale
from tests.support.loglines import RULES, lines_for
from tests.support.miniloki import MiniLoki

pytestmark = pytest.mark.tools

EXAMPLES = int(os.environ.get("BGMON_FUZZ_EXAMPLES", "60"))  # tools/fuzz.py asks for more
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
            told["counts"][f"s{n}"],
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


@pytest.mark.parametrize("name", RULES)
def test_both_forms_count_generated_lines_alike(loki: MiniLoki, name: str) -> None:
    rule = RULES[name]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(lines_for(rule), min_size=1, max_size=25))
    def check(lines: list[bytes]) -> None:
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

    check()
