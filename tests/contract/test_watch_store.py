"""The watchdog's memory: the same for the one in memory and the one in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.adapters.state.db import Database
from monitor.adapters.state.watch import MAX_ACTS, SqliteWatchStore
from monitor.domain.health.status import HealthBucket
from monitor.domain.health.watch import Watch
from monitor.ports.watch import WatchStore
from monitor.testing.watch import FakeWatchStore


@pytest.fixture(params=["fake", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WatchStore]:
    if request.param == "fake":
        yield FakeWatchStore()
        return
    database = Database(tmp_path / "state.db")
    yield SqliteWatchStore(database)
    database.close()


def test_a_watch_comes_back_as_it_was(store: WatchStore) -> None:
    watch = Watch(
        "core", state="crash-looping", exits=(1.0, 2.5), fired=("exited", "crash-loop"), retry_at=9.0, taken="always"
    )
    store.save(watch)
    store.save(Watch("other"))
    assert store.watches()["core"] == watch
    store.forget("core")
    assert set(store.watches()) == {"other"}


def test_a_service_has_one_open_incident(store: WatchStore) -> None:
    first = store.open_incident("core", "exited", "core died", 10.0, "detail")
    assert store.open_incident("core", "crash-loop", "core loops", 11.0) == first
    assert store.current_incident("core") == first
    store.note_incident(first, "started in 0.4 s", 12.0, detail="more")
    other = store.open_incident("other", "missing", "other is gone", 13.0)
    store.close_incident("core", 20.0, "healthy again")
    store.close_incident("core", 21.0, "twice is once")
    assert store.current_incident("core") is None
    newest, oldest = store.incidents()
    assert (newest.id, newest.ended_at) == (other, None)
    assert oldest.acts == ("started in 0.4 s", "healthy again")
    assert (oldest.kind, oldest.cause, oldest.detail, oldest.ended_at) == ("exited", "core died", "detail\nmore", 20.0)
    again = store.open_incident("core", "exited", "core died", 30.0)
    assert again != first
    assert [incident.id for incident in store.incidents(service="core")] == [again, first]
    assert len(store.incidents(limit=2)) == 2


def test_restarts_that_docker_made_are_not_among_our_acts(store: WatchStore) -> None:
    store.add_restart("core", "start", 10.0)
    store.add_restart("core", "docker", 11.0)
    store.add_restart("other", "restart", 12.0)
    assert store.restarts_since(9.0) == [("core", 10.0), ("other", 12.0)]
    assert store.restarts_since(10.0) == [("other", 12.0)]


def test_the_last_event(store: WatchStore) -> None:
    assert store.last_event() is None
    store.set_last_event(1_700_000_000_123_456_789)
    assert store.last_event() == 1_700_000_000_123_456_789


def test_slices_of_probes_add_up(store: WatchStore) -> None:
    store.add_buckets({"core": [HealthBucket(900.0, 10, 0, 0.1)], "other": [HealthBucket(900.0, 1, 1, 0.0)]})
    store.add_buckets({"core": [HealthBucket(900.0, 10, 5, 0.4), HealthBucket(1800.0, 1, 0, 0.2)]})
    found = store.buckets(900.0)
    assert [(bucket.at, bucket.probes, bucket.failures) for bucket in found["core"]] == [(900.0, 20, 5), (1800.0, 1, 0)]
    assert found["core"][0].latency == pytest.approx((10 * 0.1 + 5 * 0.4) / 15)
    assert found["other"][0].latency == 0.0
    assert set(store.buckets(1000.0)) == {"core"}


def test_pruning_keeps_what_is_open_or_young(store: WatchStore) -> None:
    store.open_incident("old", "exited", "old", 1.0)
    store.close_incident("old", 5.0, "over")
    store.open_incident("open", "exited", "open", 1.0)
    store.open_incident("young", "exited", "young", 90.0)
    store.close_incident("young", 95.0, "over")
    store.add_restart("core", "start", 5.0)
    store.add_buckets({"core": [HealthBucket(0.0, 1, 0, 0.1), HealthBucket(900.0, 1, 0, 0.1)]})
    store.prune(50.0)
    assert {incident.service for incident in store.incidents()} == {"open", "young"}
    assert store.restarts_since(0.0) == []
    assert [bucket.at for bucket in store.buckets(0.0)["core"]] == [900.0]


def test_a_loop_of_days_does_not_fill_the_file(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    store = SqliteWatchStore(database)
    incident = store.open_incident("core", "crash-loop", "core loops", 0.0)
    for number in range(MAX_ACTS + 50):
        store.note_incident(incident, "again", float(number), detail="x" * 1000)
    found = store.incidents()[0]
    assert len(found.acts) == MAX_ACTS
    assert len(found.detail) == 64 * 1024
    database.close()


def test_space_is_given_back(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    store = SqliteWatchStore(database)
    for number in range(100):
        store.open_incident(f"s{number}", "exited", "died", 1.0, "x" * 60_000)
        store.close_incident(f"s{number}", 2.0, "over")
    store.prune(0.0)
    full = (tmp_path / "state.db").stat().st_size
    store.prune(10.0)
    assert (tmp_path / "state.db").stat().st_size < full / 10
    database.close()


def test_a_watch_of_another_version_is_looked_at_anew(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    store = SqliteWatchStore(database)
    store.save(Watch("core"))
    with database.transaction() as db:
        db.execute('INSERT INTO watches (service, data) VALUES (\'odd\', \'{"service": "odd", "state": "weird"}\')')
    assert set(store.watches()) == {"core"}
    database.close()
