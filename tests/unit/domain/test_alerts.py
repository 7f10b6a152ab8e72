"""Who is told what, and when: cases as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.alerting import alerts
from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.open_alerts import Alert, AlertPolicy, Message, MessageLine, OpenAlerts, Silence

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted((Path(__file__).parent / "cases/alerts").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text())
]


def condition(kind: Any, service: str, severity: Any) -> Condition:
    return Condition(kind, service, severity, f"{service} {kind}")


def written(line: MessageLine) -> str:
    text = f"{line.said} {line.condition.kind} {line.condition.service or 'host'}"
    if line.duration is not None:
        text += f" after {line.duration:g}"
    return f"{text} hides {line.hides}" if line.hides else text


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any]) -> None:
    needs = {name: tuple(needed) for name, needed in case["policy"].get("needs", {}).items()}
    policy = AlertPolicy(**{**case["policy"], "needs": needs})
    book = OpenAlerts()
    for step in case["steps"]:
        now = float(step["at"])
        silences = [
            Silence(number, item["pattern"], item["until"], "", "", 0)
            for number, item in enumerate(case.get("silences", []), 1)
            if item.get("from", 0) <= now
        ]
        said: tuple[MessageLine, ...] = ()
        if "fire" in step:
            book, said = alerts.fire(book, condition(*step["fire"]), now)
        if "tell" in step:
            book = alerts.tell(book, condition(*step["tell"]), now)
        if "resolve" in step:
            kind, service = step["resolve"]
            book = alerts.resolve(book, kind, service, now)
        book, due = alerts.flush(book, silences, policy, now)
        assert [written(line) for line in (*said, *due)] == step.get("says", []), f"at {step['at']}"
        if "open" in step:
            found = {f"{kind} {service or 'host'}": alert.state for (kind, service), alert in book.alerts.items()}
            assert found == step["open"], f"at {step['at']}"


def test_every_state_knows_every_event_that_can_meet_it() -> None:
    for state in ("waiting", "firing", "hidden", "ending", "brief"):
        for event in ("fire", "escalate"):
            assert (state, event) in alerts.TABLE
    with pytest.raises(alerts.IllegalAlertMove):
        alerts._move(Alert(condition("exited", "a", "page"), "gone", 0, 0), "fire", 1)


KINDS = st.sampled_from(["exited", "unhealthy", "engine-down", "proxy-down", "host-offline"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["fire", "resolve", "wait"]), KINDS, st.sampled_from(["a", "b"]), st.integers(-5, 40)),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(STEPS, st.sampled_from([0.0, 10.0]))
def test_every_story_begins_and_ends_once_whatever_happens(steps: list[Any], group: float) -> None:
    """In any order of events and with any clock: firing and resolved alternate, and all that was told ends told."""
    policy = AlertPolicy(group=group, repeat=60.0)
    book, now = OpenAlerts(), 1000.0
    story: dict[tuple[str, str], str] = {}

    def hear(lines: tuple[MessageLine, ...]) -> None:
        for line in lines:
            key = (line.condition.kind, line.condition.service)
            if line.said in ("firing", "healed"):
                assert story.get(key) != "firing"
            else:
                assert story.get(key) == "firing"
            story[key] = "resolved" if line.said in ("resolved", "healed") else "firing"

    for verb, kind, service, seconds in steps:
        now += seconds
        name = "" if kind in ("engine-down", "proxy-down", "host-offline") else service
        if verb == "fire":
            book, lines = alerts.fire(book, condition(kind, name, "page"), now)
            hear(lines)
        elif verb == "resolve":
            book = alerts.resolve(book, kind, name, now)
        book, lines = alerts.flush(book, (), policy, now)
        hear(lines)
    for kind, name in list(book.alerts):
        book = alerts.resolve(book, kind, name, now)  # type: ignore[arg-type]
    for _ in range(2):
        now += 20
        book, lines = alerts.flush(book, (), policy, now)
        hear(lines)
    assert book == OpenAlerts()
    assert set(story.values()) <= {"resolved"}


def test_a_channel_gets_only_what_is_grave_enough() -> None:
    lines = tuple(
        MessageLine("firing", condition("exited", name, grave), 0) for name, grave in (("a", "page"), ("b", "info"))
    )
    message = Message(1, lines)
    assert message.severity == "page"
    part = message.at_least("ticket")
    assert part is not None
    assert [line.condition.service for line in part.lines] == ["a"]
    assert Message(1, lines[1:]).at_least("page") is None
    healed = Message(1, (MessageLine("healed", condition("exited", "a", "page"), 0, 1.0),))
    assert healed.severity == "info"
    assert healed.at_least("page") is None
