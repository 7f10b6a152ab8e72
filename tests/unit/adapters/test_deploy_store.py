"""What is remembered of deploys, on a real SQLite file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.adapters.state.db import Database
from monitor.adapters.state.deploys import KEPT_DEPLOYS, SqliteDeployStore
from monitor.domain.deploy.records import DeployRecord, Release, ServiceFlags
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.proxy.routes import Slot
from monitor.errors import StateError

RECORD = DeployRecord("core-1", "core", "deploy", "core:1", "1", "ann", 100.0)
RELEASE = Release(
    "core-1",
    "core",
    "blue",
    "1",
    "core:1",
    "core@sha256:1",
    "sha256:1",
    20000,
    "c1",
    ServiceSpec("core", "core"),
    110.0,
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "state.db")
    yield made
    made.close()


@pytest.fixture
def store(database: Database) -> SqliteDeployStore:
    return SqliteDeployStore(database)


def release(store: SqliteDeployStore, number: int, image: str = "") -> None:
    store.begin(replace(RECORD, id=f"core-{number}", version=str(number), started_at=100.0 + number))
    made = replace(
        RELEASE, deploy=f"core-{number}", version=str(number), image_id=image or f"sha256:{number}", at=110.0 + number
    )
    store.finish(made.deploy, "deployed", at=made.at, timings={"gate": 0.5}, release=made)


def test_a_release_knows_its_spec_and_one_that_cannot_be_read_is_told(
    store: SqliteDeployStore, database: Database
) -> None:
    release(store, 1)
    active = store.active("core")
    assert active is not None
    assert active.spec == ServiceSpec("core", "core")
    with database.transaction() as db:
        db.execute("UPDATE releases SET spec = '{}'")
    with pytest.raises(StateError, match="what core 1 was deployed with cannot be read"):
        store.active("core")


def test_a_journal_keeps_its_order(store: SqliteDeployStore) -> None:
    store.begin(RECORD)
    for step in ("pull", "create", "gate"):
        store.note("core-1", step, {"step": step}, 101.0)
    assert [(entry.step, entry.data["step"]) for entry in store.journal("core-1")] == [
        ("pull", "pull"), ("create", "create"), ("gate", "gate")
    ]  # fmt: skip


def test_finishing_activates_the_release_and_only_it(store: SqliteDeployStore) -> None:
    release(store, 1)
    release(store, 2)
    active = store.active("core")
    assert active is not None
    assert active.version == "2"
    assert [item.active for item in store.releases("core")] == [True, False]
    assert store.deploys("core")[0].timings == {"gate": 0.5}
    assert store.unfinished() == []


def test_what_was_not_finished_is_found(store: SqliteDeployStore) -> None:
    store.begin(RECORD)
    assert store.unfinished("core") == [RECORD]
    assert store.unfinished("search") == []
    assert store.services() == ["core"]
    store.finish("core-1", "failed", at=120.0, reason="no")
    assert store.unfinished() == []


def test_slots_and_flags_come_back_as_they_were(store: SqliteDeployStore) -> None:
    slots = {"blue": Slot(20000, "1", "ready", 100), "green": Slot(20001, "2", "drain", 40)}
    store.set_slots("core", slots)  # type: ignore[arg-type]
    assert store.all_slots() == {"core": slots}
    store.set_flags("core", ServiceFlags(maintenance=True, stopped_by="ann", stopped_at=5.0))
    assert store.flags("core") == ServiceFlags(maintenance=True, stopped_by="ann", stopped_at=5.0)
    assert store.flags("search") == ServiceFlags()


def test_pruning_keeps_the_active_release_and_the_newest_others(store: SqliteDeployStore) -> None:
    for number in range(1, 6):
        release(store, number)
    assert [gone.version for gone in store.prune("core", keep=2)] == ["2", "1"]
    assert [kept.version for kept in store.releases("core")] == ["5", "4", "3"]


def test_redeploys_of_one_image_do_not_push_out_what_a_rollback_goes_to(store: SqliteDeployStore) -> None:
    release(store, 1)
    for number in range(2, 6):
        release(store, number, image="sha256:2")
    assert store.prune("core", keep=1) == []
    assert {kept.image_id for kept in store.releases("core")} == {"sha256:1", "sha256:2"}


def test_the_history_is_bounded_and_finished_journals_go(database: Database) -> None:
    store = SqliteDeployStore(database, kept=20)  # each commit waits for the disk
    for number in range(25):
        store.begin(replace(RECORD, id=f"core-{number}", started_at=float(number)))
        store.note(f"core-{number}", "create", {}, 1.0)
        store.finish(f"core-{number}", "failed", at=2.0)
    assert len(store.deploys("core", limit=10_000)) == 20
    assert store.journal("core-20") == []
    assert KEPT_DEPLOYS == 500


def test_forgetting_leaves_nothing(store: SqliteDeployStore) -> None:
    release(store, 1)
    store.note("core-1", "create", {}, 1.0)
    store.set_slots("core", {"blue": Slot(20000)})
    store.forget("core")
    assert (store.services(), store.deploys(), store.journal("core-1"), store.all_slots()) == ([], [], [], {})


def test_a_corrupt_file_is_set_aside_and_said(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    database = Database(path, check=True)
    assert database.set_aside is not None
    assert database.set_aside.exists()
    assert SqliteDeployStore(database).services() == []
    database.close()


def test_an_unusable_folder_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError) as caught:
        Database(tmp_path / "file" / "state.db")
    assert "BGMON_STATE_DIR" in caught.value.hint
