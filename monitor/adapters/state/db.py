"""The SQLite file: opening, migrating, checking, and setting a corrupt one aside.

Every module of this package owns its tables and the numbered migrations that make them, in `migrations/*.sql`:
0001-0009 deploys, 0010-0019 watch and alerts, 0020-0029 logs to metrics, 0030-0039 generate.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.errors import StateError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BUSY_SECONDS: Final = 10.0


class Database:
    """One connection for all threads of a process, serialised by a lock; other processes are held off by SQLite's own.

    Args:
        path: the file; its folder is made when missing (0700).
        check: run SQLite's integrity check first, as the daemon does at its start.
    """

    def __init__(self, path: Path, *, check: bool = False) -> None:
        self.path = path
        self.set_aside: Path | None = None
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StateError(f"{path.parent}: {error.strerror}", hint=_WRITABLE) from None
        try:
            self._open(check=check)
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise _translated(path, error) from None
            self._set_aside()
            self._open(check=False)

    def _open(self, *, check: bool) -> None:
        old = os.umask(0o077)
        try:
            # Autocommit: transactions are begun by `transaction` alone.
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        finally:
            os.umask(old)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # a journal that may lose its tail is none
            self._connection.execute("PRAGMA foreign_keys=ON")
            if check:
                answer = self._connection.execute("PRAGMA quick_check").fetchone()[0]
                if answer != "ok":
                    raise sqlite3.DatabaseError(f"malformed: {answer}")
            self._migrate()
        except BaseException:
            self._connection.close()
            raise

    def _set_aside(self) -> None:
        """Move the corrupt file and its side files away, so that work goes on with an empty one."""
        aside = self.path.with_name(f"{self.path.name}.corrupt-{int(time.time())}")
        for suffix in ("", "-wal", "-shm"):
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                source.rename(aside.with_name(aside.name + suffix))
        self.set_aside = aside

    def _migrate(self) -> None:
        self._connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
        done = {row[0] for row in self._connection.execute("SELECT name FROM migrations")}
        for file in sorted(MIGRATIONS.glob("*.sql")):
            if file.name in done:
                continue
            with self.transaction() as db:
                if db.execute("SELECT 1 FROM migrations WHERE name = ?", (file.name,)).fetchone():
                    continue  # another process was faster
                for statement in _statements(file.read_text(encoding="utf-8")):
                    db.execute(statement)
                db.execute("INSERT INTO migrations (name) VALUES (?)", (file.name,))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable when the block ends. Raises StateError."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):  # the first error is the one that counts
                        self._connection.execute("ROLLBACK")
                    raise
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise _translated(self.path, error) from None

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Read. Raises StateError."""
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise _translated(self.path, error) from None

    def close(self) -> None:
        with self._lock:
            self._connection.close()


_WRITABLE: Final = "choose a writable folder with state.dir in bgmon.yml, or BGMON_STATE_DIR"


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, so that they run inside our transaction (executescript would commit it)."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    text = str(error)
    return "malformed" in text or "not a database" in text


def _translated(path: Path, error: sqlite3.Error) -> StateError:
    hint = ""
    text = str(error)
    if "readonly" in text or "unable to open" in text:
        hint = _WRITABLE
    elif "full" in text:
        hint = "free some disk space, then run the command again"
    elif "locked" in text:
        hint = "another bgmon process holds the state; try again"
    return StateError(f"state file {path}: {text}", hint=hint)
