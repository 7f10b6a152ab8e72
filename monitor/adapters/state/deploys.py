"""Deploys, their journal, the releases they made, the proxy's slots and a person's wishes, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final, cast

from monitor import masking
from monitor.adapters.state.db import Database
from monitor.domain.deploy.records import DeployRecord, JournalEntry, Release, Result, ServiceFlags, past
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.deploy.spec_codec import spec_from_json, spec_to_json
from monitor.domain.names import Color
from monitor.domain.proxy.routes import Slot
from monitor.errors import StateError

KEPT_DEPLOYS: Final = 500  # per service, besides those of releases


class SqliteDeployStore:
    """The DeployStore port on the project's state file.

    Args:
        kept: how many deploys are remembered per service, besides those that releases came from.
    """

    def __init__(self, database: Database, *, kept: int = KEPT_DEPLOYS) -> None:
        self._db = database
        self._kept = kept

    def begin(self, record: DeployRecord) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO deploys (id, service, kind, image, version, who, started_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (record.id, record.service, record.kind, record.image, record.version, record.who, record.started_at),
            )

    def note(self, deploy: str, step: str, data: Mapping[str, Any], at: float) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO journal (deploy, seq, step, data, at)"
                " VALUES (?, (SELECT count(*) FROM journal WHERE deploy = ?), ?, ?, ?)",
                (deploy, deploy, step, json.dumps(data), at),
            )

    def journal(self, deploy: str) -> list[JournalEntry]:
        rows = self._db.rows("SELECT step, data, at FROM journal WHERE deploy = ? ORDER BY seq", (deploy,))
        return [JournalEntry(row["step"], json.loads(row["data"]), row["at"]) for row in rows]

    def finish(
        self,
        deploy: str,
        result: Result,
        *,
        at: float,
        reason: str = "",
        timings: Mapping[str, float] | None = None,
        release: Release | None = None,
    ) -> None:
        with self._db.transaction() as db:
            db.execute(
                "UPDATE deploys SET finished_at = ?, result = ?, reason = ?, timings = ? WHERE id = ?",
                (at, result, masking.known(reason), json.dumps(dict(timings or {})), deploy),
            )
            if release is not None:
                _activate(db, release)
            _tidy(db, deploy, self._kept)

    def unfinished(self, service: str | None = None) -> list[DeployRecord]:
        return self._deploys("finished_at IS NULL", service, limit=1000)

    def deploys(self, service: str | None = None, limit: int = 50) -> list[DeployRecord]:
        return self._deploys("1", service, limit=limit)

    def _deploys(self, condition: str, service: str | None, *, limit: int) -> list[DeployRecord]:
        rows = self._db.rows(
            f"SELECT * FROM deploys WHERE {condition} AND (? IS NULL OR service = ?)"  # noqa: S608 - both are ours
            " ORDER BY started_at DESC, rowid DESC LIMIT ?",
            (service, service, limit),
        )
        return [_deploy(row) for row in rows]

    def active(self, service: str) -> Release | None:
        rows = self._db.rows("SELECT * FROM releases WHERE service = ? AND active = 1", (service,))
        return _release(rows[0]) if rows else None

    def releases(self, service: str, limit: int = 50) -> list[Release]:
        rows = self._db.rows(
            "SELECT * FROM releases WHERE service = ? ORDER BY at DESC, rowid DESC LIMIT ?", (service, limit)
        )
        return [_release(row) for row in rows]

    def services(self) -> list[str]:
        rows = self._db.rows(
            "SELECT service FROM releases UNION SELECT service FROM slots"
            " UNION SELECT service FROM deploys WHERE finished_at IS NULL ORDER BY service"
        )
        return [row["service"] for row in rows]

    def slots(self, service: str) -> dict[Color, Slot]:
        return self.all_slots().get(service, {})

    def all_slots(self) -> dict[str, dict[Color, Slot]]:
        found: dict[str, dict[Color, Slot]] = {}
        for row in self._db.rows("SELECT * FROM slots ORDER BY service, color"):
            slot = Slot(row["port"], row["version"], row["state"], row["weight"], row["address"], row["via"])
            found.setdefault(row["service"], {})[cast("Color", row["color"])] = slot
        return found

    def set_slots(self, service: str, slots: Mapping[Color, Slot]) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM slots WHERE service = ?", (service,))
            db.executemany(
                "INSERT INTO slots (service, color, port, version, state, weight, address, via)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (service, color, slot.port, slot.version, slot.state, slot.weight, slot.address, slot.via)
                    for color, slot in slots.items()
                ],
            )

    def flags(self, service: str) -> ServiceFlags:
        rows = self._db.rows("SELECT * FROM service_flags WHERE service = ?", (service,))
        if not rows:
            return ServiceFlags()
        row = rows[0]
        return ServiceFlags(bool(row["maintenance"]), row["stopped_by"], row["stopped_at"])

    def set_flags(self, service: str, flags: ServiceFlags) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO service_flags (service, maintenance, stopped_by, stopped_at)"
                " VALUES (?, ?, ?, ?)",
                (service, int(flags.maintenance), flags.stopped_by, flags.stopped_at),
            )

    def forget(self, service: str) -> None:
        with self._db.transaction() as db:
            for table in ("releases", "deploys", "slots", "service_flags"):
                db.execute(f"DELETE FROM {table} WHERE service = ?", (service,))  # noqa: S608 - a name of ours

    def prune(self, service: str, keep: int) -> list[Release]:
        gone = past(self.releases(service, limit=100_000), keep)
        if gone:
            with self._db.transaction() as db:
                db.executemany("DELETE FROM releases WHERE deploy = ?", [(release.deploy,) for release in gone])
        return gone


def _tidy(db: sqlite3.Connection, deploy: str, kept: int) -> None:
    """A finished deploy needs no journal; old ones that no release refers to are forgotten."""
    db.execute("DELETE FROM journal WHERE deploy = ?", (deploy,))
    db.execute(
        "DELETE FROM deploys WHERE service = (SELECT service FROM deploys WHERE id = ?1) AND finished_at IS NOT NULL"
        " AND id NOT IN (SELECT deploy FROM releases) AND id NOT IN (SELECT id FROM deploys AS kept"
        " WHERE kept.service = deploys.service ORDER BY started_at DESC LIMIT ?2)",
        (deploy, kept),
    )


def _activate(db: sqlite3.Connection, release: Release) -> None:
    db.execute("UPDATE releases SET active = 0 WHERE service = ?", (release.service,))
    db.execute(
        "INSERT OR REPLACE INTO releases (deploy, service, color, version, image, digest, image_id, port, container,"
        " spec, at, address, active) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        (
            release.deploy,
            release.service,
            release.color,
            release.version,
            release.image,
            release.digest,
            release.image_id,
            release.port,
            release.container,
            spec_to_json(release.spec),
            release.at,
            release.address,
        ),
    )


def _deploy(row: sqlite3.Row) -> DeployRecord:
    return DeployRecord(
        id=row["id"],
        service=row["service"],
        kind=row["kind"],
        image=row["image"],
        version=row["version"],
        who=row["who"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        result=cast("Result | None", row["result"]),
        reason=row["reason"],
        timings=json.loads(row["timings"]),
    )


def _spec(row: sqlite3.Row) -> ServiceSpec:
    try:
        return spec_from_json(row["spec"])
    except ValueError:
        raise StateError(
            f"what {row['service']} {row['version']} was deployed with cannot be read in the state file",
            hint=f"if no newer bgmon is used on this host: bgmon remove {row['service']}, and deploy it anew",
        ) from None


def _release(row: sqlite3.Row) -> Release:
    return Release(
        deploy=row["deploy"],
        service=row["service"],
        color=cast("Color", row["color"]),
        version=row["version"],
        image=row["image"],
        digest=row["digest"],
        image_id=row["image_id"],
        port=row["port"],
        container=row["container"],
        spec=_spec(row),
        at=row["at"],
        active=bool(row["active"]),
        address=row["address"],
    )
