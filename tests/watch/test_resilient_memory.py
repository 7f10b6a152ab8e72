"""The state file cannot be written: healing goes on, and what is missing is written later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.bootstrap import build
from monitor.domain.alerting.conditions import ConditionKind
from monitor.domain.health.watch import Watch
from monitor.errors import StateError
from monitor.testing.watch import FakeWatchStore
from tests.support.simulated import Host

OLD = 10_000.0


class FullDisk(FakeWatchStore):
    """Refuses every write while `full`."""

    full = False

    def _check(self) -> None:
        if self.full:
            raise StateError("state file: database or disk is full")

    def save(self, watch: Watch) -> None:
        self._check()
        super().save(watch)

    def open_incident(self, service: str, kind: ConditionKind, cause: str, at: float, detail: str = "") -> int:
        self._check()
        return super().open_incident(service, kind, cause, at, detail)

    def add_restart(self, service: str, reason: str, at: float) -> None:
        self._check()
        super().add_restart(service, reason, at)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path, memory=FullDisk())
    yield made
    made.database.close()


def test_a_full_disk_keeps_nobody_from_healing(host: Host) -> None:
    disk = host.memory
    assert isinstance(disk, FullDisk)
    host.make("core", at=host.clock.now() - OLD, restart="no")
    host.look_at_all()
    host.run(5)
    disk.full = True
    host.engine.crash(host.ref("core"))
    host.settle()
    host.run(5)
    assert host.state("core") == "healthy"
    assert host.alerts.kinds("fired") == ["exited"]
    assert host.alerts.kinds("resolved") == ["exited"]
    assert disk.watches()["core"].attempts == 0
    disk.full = False
    host.engine.crash(host.ref("core"))
    host.run(60)
    assert disk.watches()["core"].attempts == 2


def test_a_stop_that_cannot_be_remembered_is_decided_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = host.make("core", at=host.clock.now() - OLD)
    host.look_at_all()
    host.run(5)
    refused = []

    def refuse(service: str, flags: object) -> None:
        refused.append((service, flags))
        raise StateError("state file: read-only")

    with monkeypatch.context() as patch:
        patch.setattr(host.store, "set_flags", refuse)
        host.engine.stop(ref, 1)
        host.settle()
        host.clock.advance(3)
        with pytest.raises(StateError):
            host.look_at_all()
    assert refused
    host.look_at_all()
    assert host.state("core") == "stopped"
    assert host.store.flags("core").stopped_by
    assert host.acts == []


def test_a_corrupt_state_file_is_set_aside_and_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BGMON_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "bgmon.yml").write_text("project: shop\nservices: {core: {image: core, port: 3000}}\n")
    folder = tmp_path / "state" / "shop"
    folder.mkdir(parents=True)
    (folder / "state.db").write_bytes(b"this was a database once " * 1000)
    app = build(str(tmp_path / "bgmon.yml"))
    daemon = app.watch_daemon()
    notice = daemon.deps.notices[0]
    assert (notice.kind, notice.severity) == ("state", "page")
    assert "set aside" in notice.summary
    assert list(folder.glob("state.db.corrupt-*"))
    app.close()
