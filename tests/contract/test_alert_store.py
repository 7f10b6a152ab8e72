"""The alert store, in memory and in SQLite: both keep the same promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.adapters.host.clock import SystemClock
from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.adapters.state.db import Database
from monitor.adapters.state.resilient_alerts import ResilientAlertStore
from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.open_alerts import AlertPolicy, Message
from monitor.errors import NotifyError
from monitor.ports.notify import AlertStore
from monitor.services.alerting.delivery import Courier
from monitor.services.alerting.manager import AlertManager
from monitor.testing.notify import FakeChannel, MemoryAlertStore

CORE = Condition("exited", "core", "page", "core exited with code 1", "last line", 7)


@pytest.fixture(params=["memory", "sqlite", "steadfast"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertStore]:
    if request.param == "memory":
        yield MemoryAlertStore()
        return
    database = Database(tmp_path / "state.db")
    kept = SqliteAlertStore(database)
    yield ResilientAlertStore(kept) if request.param == "steadfast" else kept
    database.close()


def manager(store: AlertStore, *channels: FakeChannel, group: float = 0.0) -> AlertManager:
    return AlertManager(store, channels, AlertPolicy(group=group))


def queued(store: AlertStore, channel: str) -> Message:
    entry = store.next(channel)
    assert entry is not None
    return entry.outgoing.message


def test_a_condition_becomes_one_message_for_each_channel(store: AlertStore) -> None:
    alerts = manager(store, FakeChannel("a:1"), FakeChannel("b:1"), FakeChannel("c:1", min_severity="page"))
    alerts.fire(Condition("degraded", "core", "ticket", "slow"), 1.0)
    alerts.fire(CORE, 2.0)
    alerts.fire(CORE, 3.0)
    assert store.waiting() == {"a:1": 2, "b:1": 2, "c:1": 1}
    assert queued(store, "c:1").lines[0].condition == CORE
    assert alerts.firing() == (CORE, Condition("degraded", "core", "ticket", "slow"))


def test_messages_of_a_channel_go_oldest_first_and_leave_when_delivered(store: AlertStore) -> None:
    alerts = manager(store, FakeChannel("a:1"))
    alerts.fire(CORE, 1.0)
    alerts.resolve("exited", "core", 5.0, "restarted")
    first = store.next("a:1")
    assert first is not None
    assert [line.said for line in first.outgoing.message.lines] == ["firing"]
    store.begin(first)
    store.delivered(first, 6.0)
    line = queued(store, "a:1").lines[0]
    assert (line.said, line.duration, line.note) == ("resolved", 4.0, "restarted")
    assert store.sent() == {"delivered": 1, "failed": 0, "dropped": 0}


def test_a_try_that_nobody_ended_marks_the_next_one_as_a_repetition(store: AlertStore) -> None:
    manager(store, FakeChannel("a:1")).fire(CORE, 1.0)
    entry = store.next("a:1")
    assert entry is not None
    assert not entry.outgoing.repeated
    store.begin(entry)
    again = store.next("a:1")
    assert again is not None
    assert again.outgoing.repeated
    assert again.attempts == 1
    assert again.outgoing.key == entry.outgoing.key


@pytest.mark.parametrize("unsure", [False, True])
def test_only_a_try_that_may_have_arrived_makes_a_repetition(store: AlertStore, *, unsure: bool) -> None:
    manager(store, FakeChannel("a:1")).fire(CORE, 1.0)
    for _ in range(2):
        entry = store.next("a:1")
        assert entry is not None
        store.begin(entry)
        store.postpone(entry, until=9.0, error="answered 500", unsure=unsure)
    again = store.next("a:1")
    assert again is not None
    assert (again.outgoing.repeated, again.next_at, again.attempts) == (unsure, 9.0, 2)
    assert store.errors() == {"a:1": "answered 500"}
    assert store.sent()["failed"] == 2


def test_giving_up_lets_the_next_message_through(store: AlertStore) -> None:
    alerts = manager(store, FakeChannel("a:1"))
    alerts.fire(CORE, 1.0)
    alerts.tell(Condition("oom", "web", "info", "healed"), 2.0)
    entry = store.next("a:1")
    assert entry is not None
    store.give_up(entry, 3.0, "answered 400")
    assert queued(store, "a:1").lines[0].said == "note"
    assert store.sent()["dropped"] == 1


def test_what_waits_for_a_changed_url_goes_to_the_new_one(store: AlertStore) -> None:
    alerts = manager(store, FakeChannel("slack:old"), FakeChannel("mailto:gone"))
    alerts.fire(CORE, 1.0)
    assert alerts.reconfigure([FakeChannel("slack:new")], AlertPolicy(), 2.0) == 1
    assert store.waiting() == {"slack:new": 1}
    assert store.sent()["dropped"] == 1


def test_nobody_hears_the_same_message_twice_when_channels_are_joined(store: AlertStore) -> None:
    alerts = manager(store, FakeChannel("slack:old"), FakeChannel("slack:new"))
    alerts.fire(CORE, 1.0)
    alerts.reconfigure([FakeChannel("slack:new")], AlertPolicy(), 2.0)
    assert store.waiting() == {"slack:new": 1}


def test_ends_are_remembered_for_those_who_were_told(store: AlertStore) -> None:
    alerts = manager(store, FakeChannel(), group=10.0)
    alerts.fire(CORE, 0.0)
    alerts.fire(Condition("oom", "web", "page", "out of memory"), 1.0)
    alerts.resolve("oom", "web", 2.0)
    assert alerts.firing() == (CORE,)
    alerts.tick(10.0)
    alerts.resolve("exited", "core", 30.0, "restarted")
    alerts.tick(40.0)
    assert [(alert.key, alert.state, alert.note, end) for alert, end in store.ended(0.0)] == [
        (("exited", "core"), "gone", "restarted", 30.0)
    ]
    assert store.ended(31.0) == []
    assert store.book().alerts == {}


def test_silences_begin_at_once_and_are_lifted_once(store: AlertStore) -> None:
    alerts = manager(store, FakeChannel("a:1"))
    silence = store.silence("core", until=100.0, reason="moving house", by="kim", now=0.0)
    alerts.fire(CORE, 1.0)
    assert store.waiting() == {}
    assert store.silences(99.0) == [silence]
    assert store.silences(100.0) == []
    assert store.lift(silence.id, 50.0)
    assert not store.lift(silence.id, 51.0)
    assert not store.lift(silence.id + 1, 51.0)
    alerts.tick(52.0)
    assert store.waiting() == {"a:1": 1}


def test_pruning_forgets_what_is_long_over_and_no_total(store: AlertStore) -> None:
    alerts = manager(store, FakeChannel("a:1"))
    alerts.fire(CORE, 0.0)
    alerts.tell(CORE, 1.0)
    entry = store.next("a:1")
    assert entry is not None
    store.delivered(entry, 2.0)
    store.prune(1e7)
    assert store.waiting() == {"a:1": 1}
    assert store.sent()["delivered"] == 1
    assert len(store.book().alerts) == 1


def test_sqlite_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    def opened() -> tuple[Database, SqliteAlertStore]:
        database = Database(tmp_path / "state.db")
        return database, SqliteAlertStore(database)

    database, store = opened()
    alerts = manager(store, FakeChannel("a:1"), group=10.0)
    alerts.fire(CORE, 0.0)
    alerts.tell(CORE, 1.0)
    alerts.tick(10.0)
    alerts.fire(Condition("oom", "web", "page", "out of memory"), 11.0)
    alerts.tell(CORE, 12.0)
    before = store.book()
    database.close()

    database, store = opened()
    assert store.book() == before
    assert len(before.notes) == 1
    assert [line.said for line in queued(store, "a:1").lines] == ["firing", "note"]
    manager(store, FakeChannel("a:1"), group=10.0).tick(21.0)
    assert store.waiting() == {"a:1": 2}
    database.close()


def test_a_look_that_changes_nothing_does_not_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    alerts = manager(SqliteAlertStore(database), FakeChannel("a:1"), group=10.0)
    alerts.fire(CORE, 0.0)
    count: Callable[[], int] = lambda: database._connection.total_changes  # noqa: E731
    before = count()
    alerts.fire(CORE, 5.0)
    alerts.tick(6.0)
    assert count() == before
    alerts.tick(10.0)
    assert count() > before
    database.close()


def test_what_another_version_wrote_keeps_nothing_else_back(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    store = SqliteAlertStore(database)
    alerts = manager(store, FakeChannel("a:1"))
    alerts.fire(CORE, 1.0)
    alerts.fire(replace(CORE, service="web"), 2.0)
    with database.transaction() as db:
        db.execute("""UPDATE outbox SET message = '{"at": 1, "lines": [{"said": "sung"}]}' WHERE id = 1""")
        db.execute("""UPDATE alerts SET condition = '{"kind": "sorcery"}' WHERE service = 'core'""")
    assert queued(store, "a:1").lines[0].condition.service == "web"
    assert store.sent()["dropped"] == 1
    assert [condition.service for condition in alerts.firing()] == ["web"]
    alerts.tick(3.0)
    database.close()


# ---- while the state file cannot be written -----------------------------------------------------------------------


class Disk:
    """A state file that can be made read-only: SQLite then refuses to write, as on a full or read-only disk."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "state.db")
        self.store = ResilientAlertStore(SqliteAlertStore(self.database))
        self.channel = FakeChannel("a:1")
        self.alerts = manager(self.store, self.channel)
        self.courier = Courier(self.store, self.channel, SystemClock(), deadline=1.0)

    def refuse(self, *, on: bool) -> None:
        self.database._connection.execute(f"PRAGMA query_only = {int(on)}")

    def deliver(self) -> list[str]:
        while self.courier.step() == 0.0:
            pass
        return [f"{line.said} {line.condition.service}" for out in self.channel.taken for line in out.message.lines]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    disk.database.close()


def test_a_full_disk_does_not_silence_alerts(disk: Disk) -> None:
    disk.alerts.fire(CORE, 1.0)
    disk.refuse(on=True)
    web = replace(CORE, service="web")
    disk.alerts.fire(web, 2.0)
    disk.alerts.fire(web, 3.0)
    assert disk.deliver() == ["firing core", "firing web"]
    disk.alerts.resolve("exited", "core", 4.0)
    assert disk.deliver() == ["firing core", "firing web", "resolved core"]
    disk.refuse(on=False)
    disk.alerts.tick(5.0)
    assert disk.deliver() == ["firing core", "firing web", "resolved core"]
    assert [alert.key for alert in SqliteAlertStore(disk.database).book().alerts.values()] == [("exited", "web")]
    assert disk.store.waiting() == {}


def test_what_could_not_be_told_meanwhile_is_brought_to_the_file(disk: Disk) -> None:
    disk.refuse(on=True)
    disk.channel.failures = [NotifyError("down", unsure=True)]
    disk.alerts.fire(CORE, SystemClock().now())
    assert disk.deliver() == []
    disk.refuse(on=False)
    disk.alerts.tick(SystemClock().now())
    entry = SqliteAlertStore(disk.database).next("a:1")
    assert entry is not None
    assert disk.deliver() == ["firing core"]
    assert disk.store.waiting() == {}


def test_a_message_that_is_brought_to_the_file_while_it_is_sent_goes_once(disk: Disk) -> None:
    disk.refuse(on=True)
    disk.alerts.fire(CORE, SystemClock().now())
    entry = disk.store.next("a:1")
    assert entry is not None
    disk.refuse(on=False)
    disk.alerts.tick(SystemClock().now())
    disk.store.delivered(entry, 3.0)
    assert disk.store.waiting() == {}


def test_a_try_that_cannot_be_noted_waits_all_the_same(disk: Disk) -> None:
    disk.alerts.fire(CORE, SystemClock().now())
    disk.refuse(on=True)
    disk.channel.failures = [NotifyError("down", retry_after=60.0)]
    assert disk.courier.step() == 0.0
    wait = disk.courier.step()
    assert wait is not None
    assert 50 < wait <= 60
    assert disk.channel.failures == []
