"""The daemon's look at internal names."""

from __future__ import annotations

from dataclasses import replace

from monitor.domain.alerting.conditions import Condition
from monitor.domain.internalnames import InternalName
from monitor.services.namewatch import NameWatch
from monitor.testing.alerts import FakeAlerts
from monitor.testing.clock import FakeClock

NAME = InternalName("core", "core.shop.internal", ("vps1", "vps2"), {"vps1": "10.0.0.1", "vps2": "10.0.0.2"})
OWNERS = {"10.0.0.1": "vps1", "10.0.0.2": "vps2", "10.0.0.3": "vps3"}


class _World:
    def __init__(self) -> None:
        self.answer = ["10.0.0.1", "10.0.0.2"]
        self.names = [NAME, replace(NAME, service="here", hosts=())]
        self.alerts = FakeAlerts()
        self.watch = NameWatch(lambda: self.names, lambda: OWNERS, lambda _name: self.answer, self.alerts, FakeClock())


def test_a_record_that_is_wrong_twice_is_told_once_and_resolved_when_it_is_right_again() -> None:
    world = _World()
    world.watch.round()
    world.answer = ["10.0.0.9", "10.0.0.2"]
    world.watch.round()
    assert not world.alerts.open
    world.watch.round()
    world.watch.round()
    assert world.alerts.kinds("fired", "core") == ["dns"]
    assert "points at 10.0.0.9" in world.alerts.open["dns", "core"].summary
    world.answer = []
    world.watch.round()
    assert "points nowhere" in world.alerts.open["dns", "core"].summary
    world.answer = ["10.0.0.1", "10.0.0.2"]
    world.watch.round()
    assert world.alerts.kinds("resolved", "core") == ["dns"]
    assert not world.alerts.open


def test_a_name_that_is_taken_out_of_the_file_takes_its_alert_along() -> None:
    world = _World()
    world.answer = []
    world.watch.round()
    world.watch.round()
    world.names = []
    world.watch.round()
    assert not world.alerts.open


def test_what_an_earlier_daemon_told_is_resolved_as_well() -> None:
    world = _World()
    world.alerts.fire(Condition("dns", "core", "ticket", "core.shop.internal points nowhere"), 1.0)
    world.watch.round()
    assert not world.alerts.open
