"""Counters out of logs and their cursors, in SQLite. Fulfils ports.logs.LogStore."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

import msgspec

from monitor.adapters.state.db import Database
from monitor.domain.logs.counts import Counts
from monitor.errors import StateError
from monitor.ports.logs import Batch, Cursor, Progress

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Counts).decode


class SqliteLogStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def progress(self, source: str) -> Progress:
        rows = self._db.rows("SELECT until, warnings FROM log_sources WHERE source = ?", (source,))
        cursor = self._db.rows("SELECT key, value FROM log_cursors WHERE source = ?", (source,))
        return Progress(
            until=rows[0]["until"] if rows else None,
            warnings=rows[0]["warnings"] if rows else 0,
            cursor={row["key"]: row["value"] for row in cursor},
        )

    def commit(self, source: str, before: Cursor, batch: Batch) -> bool:
        with self._db.transaction() as db:
            known = {
                row["key"]: row["value"]
                for row in db.execute("SELECT key, value FROM log_cursors WHERE source = ?", (source,))
            }
            if known != before:
                return False
            _add(db, batch.counts)
            db.execute(
                "INSERT INTO log_sources (source, until, warnings) VALUES (?, ?, ?)"
                " ON CONFLICT (source) DO UPDATE SET until = max(until, excluded.until),"
                " warnings = warnings + excluded.warnings",
                (source, batch.until, len(batch.warnings)),
            )
            db.executemany(
                "DELETE FROM log_cursors WHERE source = ? AND key = ?",
                [(source, key) for key in known if key not in batch.cursor],
            )
            db.executemany(
                "INSERT OR REPLACE INTO log_cursors (source, key, value) VALUES (?, ?, ?)",
                [(source, key, value) for key, value in batch.cursor.items() if known.get(key) != value],
            )
        return True

    def totals(self) -> dict[str, Counts]:
        return {
            row["service"]: _counts(row["service"], row["counts"])
            for row in self._db.rows("SELECT service, counts FROM log_totals ORDER BY service")
        }


def _add(db: sqlite3.Connection, counts: Mapping[str, Counts]) -> None:
    for service, more in counts.items():
        if more.empty:
            continue
        row = db.execute("SELECT counts FROM log_totals WHERE service = ?", (service,)).fetchone()
        total = _counts(service, row["counts"]) if row else Counts()
        total.add(more)
        db.execute(
            "INSERT OR REPLACE INTO log_totals (service, counts) VALUES (?, ?)", (service, _encode(total).decode())
        )


def _counts(service: str, text: str) -> Counts:
    try:
        return _decode(text)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise StateError(f"the counters of {service} cannot be read: {error}") from None
