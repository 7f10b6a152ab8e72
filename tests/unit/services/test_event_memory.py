"""What events leave behind for the next look."""

from __future__ import annotations

import pytest

from monitor.domain.containers import EngineEvent
from monitor.services.watchdog.event_memory import EventMemory


def event(action: str, at: float, code: int | None = None) -> EngineEvent:
    return EngineEvent(action, "c1", "core", {}, at, int(at * 1e9), exit_code=code)


def traced(*events: EngineEvent) -> EventMemory:
    event_memory = EventMemory()
    for one in events:
        event_memory.take("core", one, nobodys_wish=False)
    return event_memory


@pytest.mark.parametrize(
    ("events", "oom"),
    [
        ([event("oom", 9.99), event("die", 10.0, 137)], True),
        ([event("die", 10.0, 137), event("oom", 10.01)], True),  # the engine says it in either order
        ([event("oom", 1.0), event("die", 10.0, 1)], True),
        ([event("oom", 1.0), event("die", 500.0, 1)], False),  # a child, long ago
        ([event("oom", 1.0), event("start", 5.0), event("die", 10.0, 137)], False),  # another life
        ([event("die", 10.0, 137)], False),
    ],
)
def test_a_death_for_want_of_memory(events: list[EngineEvent], oom: bool) -> None:
    assert [death.oom for death in traced(*events).deaths("core")] == [oom]


def test_kills_in_a_container_that_lives_are_counted_until_it_starts_again() -> None:
    event_memory = traced(event("oom", 1.0), event("oom", 2.0))
    assert (event_memory.oom_events("c1"), event_memory.oom_events("c2")) == (2, 0)
    event_memory.take("core", event("start", 3.0), nobodys_wish=False)
    assert event_memory.oom_events("c1") == 0
