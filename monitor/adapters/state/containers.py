"""The record of the containers that bgmon made."""

from __future__ import annotations

import sqlite3
from typing import cast

from monitor.adapters.state.db import Database
from monitor.domain.own import Made, Role


class SqliteContainers:
    """Table `containers` of the state file. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, made: Made) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO containers (token, role, service, deploy, at, id) VALUES (?, ?, ?, ?, ?, ?)",
                (made.token, made.role, made.service, made.deploy, made.at, made.id or None),
            )
            if made.role == "proxy":
                db.execute(
                    "INSERT INTO proxy_recorded (at) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM proxy_recorded)",
                    (made.at,),
                )

    def ever_had_proxy(self) -> bool:
        """Whether a proxy was put on record since the state file began."""
        return bool(self._db.rows("SELECT 1 FROM proxy_recorded"))

    def name(self, token: str, container: str) -> None:
        """Write down the id of what was made."""
        with self._db.transaction() as db:
            db.execute("UPDATE containers SET id = ? WHERE token = ?", (container, token))

    def change_role(self, container: str, role: Role) -> None:
        with self._db.transaction() as db:
            db.execute("UPDATE containers SET role = ? WHERE id = ?", (role, container))

    def drop(self, token: str) -> None:
        with self._db.transaction() as db:
            db.execute("DELETE FROM containers WHERE token = ?", (token,))

    def all(self) -> list[Made]:
        """Newest first."""
        return [_made(row) for row in self._db.rows("SELECT * FROM containers ORDER BY at DESC, rowid DESC")]

    def of_role(self, role: Role) -> list[Made]:
        """Newest first."""
        rows = self._db.rows("SELECT * FROM containers WHERE role = ? ORDER BY at DESC, rowid DESC", (role,))
        return [_made(row) for row in rows]

    def get(self, container: str) -> Made | None:
        rows = self._db.rows("SELECT * FROM containers WHERE id = ?", (container,))
        return _made(rows[0]) if rows else None


def _made(row: sqlite3.Row) -> Made:
    return Made(row["token"], cast("Role", row["role"]), row["service"], row["deploy"], row["at"], row["id"] or "")
