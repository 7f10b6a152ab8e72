"""The watchdog's memory in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from monitor import masking
from monitor.adapters.state.db import Database
from monitor.domain.alerting.conditions import ConditionKind
from monitor.domain.health.status import HealthBucket, IncidentView
from monitor.domain.health.watch import Watch

MAX_DETAIL: Final = 64 * 1024
MAX_ACTS: Final = 200  # of one incident; a loop that lasts for days says nothing new after that
_WORTH_A_VACUUM: Final = 1000  # pages of 4 KiB
_EVENT: Final = "last_event"
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Watch)


class SqliteWatchStore:
    """The WatchStore port on the project's state file."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def watches(self) -> dict[str, Watch]:
        found: dict[str, Watch] = {}
        for row in self._db.rows("SELECT service, data FROM watches"):
            try:
                found[row["service"]] = _decoder.decode(row["data"])
            except (msgspec.DecodeError, msgspec.ValidationError):
                continue  # written by a version that knew other states: it is looked at anew
        return found

    def save(self, watch: Watch) -> None:
        known = masking.known
        watch = replace(watch, reason=known(watch.reason), error=known(watch.error), cause=known(watch.cause))
        with self._db.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO watches (service, data) VALUES (?, ?)",
                (watch.service, _encode(watch).decode()),
            )

    def forget(self, service: str) -> None:
        with self._db.transaction() as db:
            for table in ("watches", "probe_buckets", "restarts"):
                db.execute(f"DELETE FROM {table} WHERE service = ?", (service,))  # noqa: S608 - a name of ours

    # -- incidents --

    def open_incident(self, service: str, kind: ConditionKind, cause: str, at: float, detail: str = "") -> int:
        with self._db.transaction() as db:
            row = _open(db, service)
            if row is not None:
                return int(row["id"])
            cursor = db.execute(
                "INSERT INTO incidents (service, kind, cause, detail, started_at) VALUES (?, ?, ?, ?, ?)",
                (service, kind, masking.known(cause), masking.known(detail)[-MAX_DETAIL:], at),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def note_incident(self, incident: int, text: str, at: float, *, detail: str = "") -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO incident_acts (incident, seq, at, text)"
                " SELECT ?, count(*), ?, ? FROM incident_acts WHERE incident = ? HAVING count(*) < ?",
                (incident, at, masking.known(text), incident, MAX_ACTS),
            )
            if detail:
                db.execute(
                    "UPDATE incidents SET detail = substr(detail || CASE detail WHEN '' THEN '' ELSE char(10) END || ?,"
                    " -?) WHERE id = ?",
                    (masking.known(detail), MAX_DETAIL, incident),
                )

    def close_incident(self, service: str, at: float, note: str) -> None:
        with self._db.transaction() as db:
            row = _open(db, service)
            if row is None:
                return
            db.execute("UPDATE incidents SET ended_at = ? WHERE id = ?", (at, row["id"]))
            db.execute(
                "INSERT INTO incident_acts (incident, seq, at, text)"
                " SELECT ?, count(*), ?, ? FROM incident_acts WHERE incident = ?",
                (row["id"], at, masking.known(note), row["id"]),
            )

    def current_incident(self, service: str) -> int | None:
        rows = self._db.rows("SELECT id FROM incidents WHERE service = ? AND ended_at IS NULL", (service,))
        return int(rows[0]["id"]) if rows else None

    def incidents(self, *, service: str | None = None, limit: int = 50) -> list[IncidentView]:
        rows = self._db.rows(
            "SELECT * FROM incidents WHERE ? IS NULL OR service = ? ORDER BY started_at DESC, id DESC LIMIT ?",
            (service, service, limit),
        )
        acts: dict[int, list[str]] = {}
        for row in self._db.rows(
            "SELECT incident, text FROM incident_acts WHERE incident IN (SELECT id FROM incidents"
            " WHERE ? IS NULL OR service = ? ORDER BY started_at DESC, id DESC LIMIT ?) ORDER BY incident, seq",
            (service, service, limit),
        ):
            acts.setdefault(row["incident"], []).append(row["text"])
        return [
            IncidentView(
                id=row["id"],
                service=row["service"],
                kind=row["kind"],
                started_at=row["started_at"],
                ended_at=row["ended_at"],
                cause=row["cause"],
                detail=row["detail"],
                acts=tuple(acts.get(row["id"], ())),
            )
            for row in rows
        ]

    # -- restarts and events --

    def add_restart(self, service: str, reason: str, at: float) -> None:
        with self._db.transaction() as db:
            db.execute("INSERT INTO restarts (service, reason, at) VALUES (?, ?, ?)", (service, reason, at))

    def restarts_since(self, at: float) -> list[tuple[str, float]]:
        rows = self._db.rows("SELECT service, at FROM restarts WHERE at > ? AND reason != 'docker' ORDER BY at", (at,))
        return [(row["service"], row["at"]) for row in rows]

    def last_event(self) -> int | None:
        rows = self._db.rows("SELECT value FROM watch_cursors WHERE name = ?", (_EVENT,))
        return int(rows[0]["value"]) if rows else None

    def set_last_event(self, at_ns: int) -> None:
        with self._db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO watch_cursors (name, value) VALUES (?, ?)", (_EVENT, at_ns))

    # -- probes --

    def add_buckets(self, buckets: Mapping[str, Sequence[HealthBucket]]) -> None:
        rows = [
            (service, bucket.at, bucket.probes, bucket.failures, bucket.latency * (bucket.probes - bucket.failures))
            for service, group in buckets.items()
            for bucket in group
        ]
        with self._db.transaction() as db:
            db.executemany(
                "INSERT INTO probe_buckets (service, at, probes, failures, seconds) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (service, at) DO UPDATE SET probes = probes + excluded.probes,"
                " failures = failures + excluded.failures, seconds = seconds + excluded.seconds",
                rows,
            )

    def buckets(self, since: float) -> dict[str, list[HealthBucket]]:
        found: dict[str, list[HealthBucket]] = {}
        for row in self._db.rows("SELECT * FROM probe_buckets WHERE at >= ? ORDER BY service, at", (since,)):
            answered = row["probes"] - row["failures"]
            latency = row["seconds"] / answered if answered else 0.0
            bucket = HealthBucket(row["at"], row["probes"], row["failures"], latency)
            found.setdefault(row["service"], []).append(bucket)
        return found

    def prune(self, before: float) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM incidents WHERE ended_at IS NOT NULL AND ended_at < ?", (before,))
            db.execute("DELETE FROM restarts WHERE at < ?", (before,))
            db.execute("DELETE FROM probe_buckets WHERE at < ?", (before,))
        pages = self._db.rows("PRAGMA page_count")[0][0]
        free = self._db.rows("PRAGMA freelist_count")[0][0]
        if free > max(_WORTH_A_VACUUM, pages // 4):
            self._db.rows("VACUUM")
        self._db.rows("PRAGMA wal_checkpoint(PASSIVE)")


def _open(db: sqlite3.Connection, service: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT id FROM incidents WHERE service = ? AND ended_at IS NULL", (service,)
    ).fetchone()
    return row
