"""What the engine did to containers on its way down and up, told from what a person did."""

from __future__ import annotations

from monitor.services.watchdog.enginewatch import EngineWatch
from monitor.testing.alerts import FakeAlerts


def test_a_short_absence_alarms_nobody_and_a_long_one_once() -> None:
    alerts = FakeAlerts()
    engine = EngineWatch(alerts)
    engine.lost(100.0, "connection refused")
    engine.patience(103.0)
    engine.answers(104.0)
    assert alerts.said == []
    engine.lost(200.0, "connection refused")
    engine.patience(205.0)
    engine.patience(300.0)
    engine.answers(301.0)
    assert [said.what for said in alerts.said] == ["fired", "resolved"]


def test_stops_in_an_orderly_end_are_its_own_and_those_before_are_not() -> None:
    engine = EngineWatch(FakeAlerts())
    engine.cut(110.0)
    engine.lost(110.2, "connection refused")
    engine.answers(115.0)
    assert engine.outage == (109.5 - 30.0, 116.5)
    assert sorted(engine.stopped_going_down({"a": 105.0, "b": 105.3, "held": 98.0, "old": 20.0})) == ["a", "b"]


def test_stops_as_it_comes_up_are_its_own() -> None:
    engine = EngineWatch(FakeAlerts())
    assert not engine.stops_by_itself(100.0)
    engine.lost(100.0, "killed")
    assert engine.stops_by_itself(102.0)
    engine.answers(103.0)
    assert engine.stops_by_itself(102.0)
    assert not engine.stops_by_itself(99.0)
    assert not engine.stops_by_itself(110.0)


def test_an_engine_that_was_back_before_it_was_missed() -> None:
    """Only the end of the event stream tells of it; nobody who stopped something before is forgotten."""
    engine = EngineWatch(FakeAlerts())
    engine.cut(100.0)
    assert engine.stops_by_itself(100.1)
    engine.answers(100.4)
    assert engine.stops_by_itself(100.2)
    assert not engine.stops_by_itself(98.0)
    assert engine.outage == (99.5, 101.9)
    assert engine.stopped_going_down({"held": 98.0}) == []


def test_an_answer_from_before_it_went_again_ends_nothing() -> None:
    """What is worked on late: it came back at 102 and went again at 103, and both are known before either is handled."""
    engine = EngineWatch(FakeAlerts())
    engine.cut(100.0)
    engine.cut(103.0)
    assert not engine.answers(102.0)
    assert engine.in_doubt()
    assert engine.stops_by_itself(103.5)
    assert engine.answers(104.0)
    assert not engine.in_doubt()
    engine.lost(110.0, "connection refused")
    assert not engine.answers(109.0)
    assert engine.lost_at == 110.0


def test_an_engine_that_answered_before_its_events_were_read_again_may_have_gone_twice() -> None:
    """A look finds it back at 101, nobody sees it go at 102: what it stopped as it came up again is its own doing."""
    engine = EngineWatch(FakeAlerts())
    engine.cut(100.0)
    engine.lost(100.0, "connection refused")
    assert engine.answers(101.0)
    assert engine.stops_by_itself(103.0)
    engine.opened(104.0)
    assert engine.stops_by_itself(103.0)
    assert not engine.stops_by_itself(99.0)
    assert not engine.stops_by_itself(106.0)
