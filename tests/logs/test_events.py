"""Events are the same ones to Loki and to us, whatever stands in a line."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.domain.logs.events import SEPARATOR, Event, EventParser, EventRule, events_query
from monitor.domain.logs.logql import Selector
from monitor.domain.logs.match import Match
from tests.logs.test_same_meaning import AT, EXAMPLES
from tests.support.loglines import RULES, lines_for
from tests.support.miniloki import MiniLoki

pytestmark = pytest.mark.tools

EVENTS = (
    Event("access", (Match(field="kind", values=("access*", "7", "true", "")),)),
    Event("bad", (Match(field="status", values=("500", "404", "5*")), Match(field="kind", values=("*",)))),
    Event("health", (Match(contains="/health"),)),
    Event("numbers", (Match(pattern=r"[0-9]{3}\.[0-9]"), Match(contains="s"))),
)
TEXT = EVENTS[2:]
CASES = {
    "json": (EventRule(EVENTS), "json-only"),
    "logfmt": (EventRule(EVENTS, "logfmt"), "logfmt-only"),
    "nginx": (EventRule(TEXT, "nginx"), "nginx"),
    "uvicorn": (EventRule(TEXT, "uvicorn"), "uvicorn"),
    "own": (EventRule(TEXT, RULES["apache-own"].format), "apache-own"),
    "regex": (
        EventRule((Event("gets", (Match(field="verb", values=("G*",)),)), *TEXT), "regex", RULES["regex"].regex),
        "regex",
    ),
}


def by_loki(loki: MiniLoki, rule: EventRule, lines: list[bytes]) -> list[list[str]]:
    labels = {"project": "p", "kind": "app"}
    loki.push([({**labels, "service": f"s{n}"}, AT - n, line) for n, line in enumerate(lines)], reset=True)
    answer = loki.query(events_query(rule, Selector("p", "app"), 60_000), AT)
    told = {one["metric"]["service"]: one["metric"]["event"].split(SEPARATOR)[:-1] for one in answer}
    return [told.get(f"s{n}", []) for n in range(len(lines))]


@pytest.mark.parametrize("name", CASES)
def test_both_forms_see_the_same_events(loki: MiniLoki, name: str) -> None:
    rule, like = CASES[name]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(lines_for(RULES[like]), min_size=1, max_size=25))
    def check(lines: list[bytes]) -> None:
        parser = EventParser(rule)
        for line, seen in zip(lines, by_loki(loki, rule, lines), strict=True):
            assert parser.names(line) == seen, line

    check()


def test_a_line_may_be_several_events_and_a_request() -> None:
    line = b'{"kind":"access","status":500,"path":"/health","took":123.4}'
    assert EventParser(EventRule(EVENTS)).names(line) == ["access", "bad", "health", "numbers"]
