"""Open alerts, silences and the outbox, in SQLite. Fulfils ports.notify.AlertStore."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from monitor import masking
from monitor.adapters.state.db import Database
from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.open_alerts import Alert, Key, Message, Notice, OpenAlerts, Silence
from monitor.domain.names import METRIC_ALERTS_SENT
from monitor.ports.notify import Decided, Outgoing, Pending

log = logging.getLogger(__name__)

KEEP_ENDED: Final = 30 * 86400.0
KEEP_DONE: Final = 7 * 86400.0


class SqliteAlertStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def decide(self, decision: Callable[[OpenAlerts, Sequence[Silence]], Decided], now: float) -> Decided:
        before = self._book(self._db.rows)
        silences = self.silences(now)
        decided = decision(before, silences)
        if decided.book == before and not decided.outgoing:
            return decided  # nothing to keep: no transaction, no wait for the disk
        with self._db.transaction() as db:
            # Read again inside the transaction: another thread or command may have been faster.
            before = self._book(lambda query: db.execute(query).fetchall())
            silences = [_silence(row) for row in db.execute(_LASTING, (now,))]
            decided = decision(before, silences)
            _save(db, before, decided.book, now)
            for channel, outgoing in decided.outgoing:
                db.execute(
                    "INSERT OR IGNORE INTO outbox (channel, key, message, created_at, next_at) VALUES (?, ?, ?, ?, ?)",
                    (channel, outgoing.key, _encode(outgoing.message), now, now),
                )
        return decided

    def book(self) -> OpenAlerts:
        return self._book(self._db.rows)

    def _book(self, rows: Callable[[str], list[sqlite3.Row]]) -> OpenAlerts:
        alerts: dict[Key, Alert] = {}
        for row in rows("SELECT * FROM alerts ORDER BY since, kind, service"):
            condition = _condition(row["condition"])
            if condition is not None:
                alert = Alert(
                    condition,
                    row["state"],
                    row["since"],
                    row["moved_at"],
                    row["told_at"],
                    row["hidden_by"],
                    row["note"],
                    row["ended_at"],
                )
                alerts[alert.key] = alert
        notes = [
            Notice(condition, row["at"])
            for row in rows("SELECT condition, at FROM alert_notes ORDER BY id")
            if (condition := _condition(row["condition"])) is not None
        ]
        return OpenAlerts(alerts, tuple(notes))

    def ended(self, since: float) -> list[tuple[Alert, float]]:
        rows = self._db.rows("SELECT * FROM alerts_ended WHERE ended_at >= ? ORDER BY ended_at DESC", (since,))
        found = []
        for row in rows:
            condition = _condition(row["condition"])
            if condition is not None:
                at = row["ended_at"]
                alert = Alert(condition, "gone", row["since"], at, row["told_at"], note=row["note"], ended_at=at)
                found.append((alert, at))
        return found

    def silence(self, pattern: str, *, until: float, reason: str, by: str, now: float) -> Silence:
        with self._db.transaction() as db:
            cursor = db.execute(
                "INSERT INTO silences (pattern, until, reason, by, created_at) VALUES (?, ?, ?, ?, ?)",
                (pattern, until, masking.known(reason), by, now),
            )
            assert cursor.lastrowid is not None
            return Silence(cursor.lastrowid, pattern, until, reason, by, now)

    def silences(self, now: float) -> list[Silence]:
        return [_silence(row) for row in self._db.rows(_LASTING, (now,))]

    def lift(self, silence: int, now: float) -> bool:
        with self._db.transaction() as db:
            cursor = db.execute("UPDATE silences SET until = ? WHERE id = ? AND until > ?", (now, silence, now))
            return cursor.rowcount > 0

    def next(self, channel: str, *, after: int = 0) -> Pending | None:
        """The oldest that waits; of those with a higher id than `after`."""
        while True:
            rows = self._db.rows(
                "SELECT * FROM outbox WHERE channel = ? AND done_at IS NULL AND id > ? ORDER BY id LIMIT 1",
                (channel, after),
            )
            if not rows:
                return None
            try:
                return _pending(rows[0])
            except msgspec.DecodeError as error:
                # Written by another version: it must not keep back those behind it.
                log.error("a message in the outbox cannot be read and is dropped: %s", error)  # noqa: TRY400
                self._done(rows[0]["id"], rows[0]["created_at"], "dropped", "cannot be read")

    def begin(self, entry: Pending) -> None:
        with self._db.transaction() as db:
            db.execute(
                "UPDATE outbox SET attempts = attempts + 1, under_way = 1, unsure = unsure | under_way WHERE id = ?",
                (entry.id,),
            )

    def delivered(self, entry: Pending, now: float) -> None:
        self._done(entry.id, now, "delivered", "")

    def find(self, channel: str, key: str) -> Pending | None:
        """A message by its key, while it waits."""
        query = "SELECT * FROM outbox WHERE channel = ? AND key = ? AND done_at IS NULL"
        rows = self._db.rows(query, (channel, key))
        return _pending(rows[0]) if rows else None

    def postpone(self, entry: Pending, *, until: float, error: str, unsure: bool) -> None:
        with self._db.transaction() as db:
            db.execute(
                "UPDATE outbox SET next_at = ?, error = ?, under_way = 0, unsure = unsure | ? WHERE id = ?",
                (until, masking.known(error), unsure, entry.id),
            )
            _count(db, "failed")

    def give_up(self, entry: Pending, now: float, error: str) -> None:
        self._done(entry.id, now, "dropped", error)

    def _done(self, entry: int, now: float, result: str, error: str) -> None:
        with self._db.transaction() as db:
            db.execute(
                "UPDATE outbox SET done_at = ?, result = ?, error = ?, under_way = 0 WHERE id = ?",
                (now, result, masking.known(error), entry),
            )
            _count(db, result)

    def adopt(self, channels: Sequence[str], now: float) -> int:
        dropped = 0
        with self._db.transaction() as db:
            for row in db.execute("SELECT id, channel, key FROM outbox WHERE done_at IS NULL ORDER BY id").fetchall():
                if row["channel"] in channels:
                    continue
                scheme = row["channel"].partition(":")[0]
                heir = next((channel for channel in channels if channel.partition(":")[0] == scheme), None)
                known = db.execute("SELECT 1 FROM outbox WHERE channel = ? AND key = ?", (heir, row["key"])).fetchone()
                if heir is not None and not known:
                    db.execute("UPDATE outbox SET channel = ?, next_at = ? WHERE id = ?", (heir, now, row["id"]))
                    continue
                db.execute(
                    "UPDATE outbox SET done_at = ?, result = 'dropped', error = ? WHERE id = ?",
                    (now, "its channel is no longer configured", row["id"]),
                )
                _count(db, "dropped")
                dropped += 1
        return dropped

    def waiting(self) -> dict[str, int]:
        rows = self._db.rows("SELECT channel, COUNT(*) AS n FROM outbox WHERE done_at IS NULL GROUP BY channel")
        return {row["channel"]: row["n"] for row in rows}

    def errors(self) -> dict[str, str]:
        rows = self._db.rows(
            "SELECT channel, error, MIN(id) FROM outbox WHERE done_at IS NULL AND error != '' GROUP BY channel"
        )
        return {row["channel"]: row["error"] for row in rows}

    def sent(self) -> dict[str, int]:
        rows = self._db.rows("SELECT labels, value FROM totals WHERE metric = ?", (METRIC_ALERTS_SENT,))
        totals = {json.loads(row["labels"])[0]: int(row["value"]) for row in rows}
        return {result: totals.get(result, 0) for result in ("delivered", "failed", "dropped")}

    def prune(self, now: float) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM outbox WHERE done_at < ?", (now - KEEP_DONE,))
            db.execute("DELETE FROM alerts_ended WHERE ended_at < ?", (now - KEEP_ENDED,))
            db.execute("DELETE FROM silences WHERE until < ?", (now - KEEP_ENDED,))


_LASTING: Final = "SELECT * FROM silences WHERE until > ? ORDER BY id"


def _save(db: sqlite3.Connection, before: OpenAlerts, after: OpenAlerts, now: float) -> None:
    for key, alert in before.alerts.items():
        if key not in after.alerts:
            db.execute("DELETE FROM alerts WHERE kind = ? AND service = ?", key)
            if alert.told_at is not None:
                ended_at = alert.ended_at if alert.ended_at is not None else now
                db.execute(
                    "INSERT INTO alerts_ended (condition, since, told_at, ended_at, note) VALUES (?, ?, ?, ?, ?)",
                    (_encode(alert.condition), alert.since, alert.told_at, ended_at, alert.note),
                )
    for key, alert in after.alerts.items():
        if before.alerts.get(key) != alert:
            db.execute(
                "INSERT OR REPLACE INTO alerts (kind, service, condition, state, since, moved_at, told_at, hidden_by, "
                "note, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *key,
                    _encode(alert.condition),
                    alert.state,
                    alert.since,
                    alert.moved_at,
                    alert.told_at,
                    alert.hidden_by,
                    alert.note,
                    alert.ended_at,
                ),
            )
    if before.notes != after.notes:
        db.execute("DELETE FROM alert_notes")
        notes = [(_encode(note.condition), note.at) for note in after.notes]
        db.executemany("INSERT INTO alert_notes (condition, at) VALUES (?, ?)", notes)


def _count(db: sqlite3.Connection, result: str) -> None:
    db.execute(
        "INSERT INTO totals (metric, labels, value) VALUES (?, ?, 1) "
        "ON CONFLICT (metric, labels) DO UPDATE SET value = value + 1",
        (METRIC_ALERTS_SENT, json.dumps([result])),
    )


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _condition(text: str) -> Condition | None:
    """None for what another version wrote and this one does not know: it is no reason to forget the rest."""
    try:
        return msgspec.json.decode(text, type=Condition)
    except msgspec.DecodeError as error:
        log.warning("an alert in the state file is passed over: %s", error)
        return None


def _silence(row: sqlite3.Row) -> Silence:
    return Silence(row["id"], row["pattern"], row["until"], row["reason"], row["by"], row["created_at"])


def _pending(row: sqlite3.Row) -> Pending:
    message = msgspec.json.decode(row["message"], type=Message)
    outgoing = Outgoing(row["key"], message, repeated=bool(row["unsure"] or row["under_way"]))
    return Pending(row["id"], row["channel"], outgoing, row["created_at"], row["attempts"], row["next_at"])
