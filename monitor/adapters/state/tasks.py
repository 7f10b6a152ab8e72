"""Runs of commands in the state file."""

from __future__ import annotations

import json
import sqlite3
from typing import Final, cast

from monitor import masking
from monitor.adapters.state.db import Database
from monitor.domain.deploy.tasks import TaskKind, TaskResult, TaskRun

KEPT: Final = 50  # ended runs of each name


class SqliteTasks:
    """Fulfils ports.tasks.TaskStore."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, run: TaskRun) -> None:
        command = masking.clean(json.dumps(run.command))
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO tasks (id, kind, name, service, version, command, who, started_at, deploy)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(run.id, run.kind, run.name, run.service, run.version),
                    *(command, run.who, run.started_at, run.deploy),
                ),
            )

    def finish(self, run: str, result: TaskResult, *, at: float, exit_code: int | None, output: str) -> None:
        with self._db.transaction() as db:
            db.execute(
                "UPDATE tasks SET finished_at = ?, result = ?, exit_code = ?, output = ? WHERE id = ?",
                (at, result, exit_code, masking.clean(output), run),
            )
            db.execute(
                "DELETE FROM tasks WHERE finished_at IS NOT NULL"
                " AND (service, name) = (SELECT service, name FROM tasks WHERE id = ?1)"
                " AND id NOT IN (SELECT id FROM tasks AS kept WHERE (kept.service, kept.name) ="
                " (tasks.service, tasks.name) ORDER BY started_at DESC LIMIT ?2)",
                (run, KEPT),
            )

    def unfinished(self, kind: TaskKind, service: str | None = None) -> list[TaskRun]:
        rows = self._db.rows(
            "SELECT * FROM tasks WHERE kind = ?1 AND (?2 IS NULL OR service = ?2) AND finished_at IS NULL"
            " ORDER BY started_at",
            (kind, service),
        )
        return [_run(row) for row in rows]

    def runs(
        self, *, service: str | None = None, kind: TaskKind | None = None, name: str | None = None, limit: int = 50
    ) -> list[TaskRun]:
        rows = self._db.rows(
            "SELECT * FROM tasks WHERE (?1 IS NULL OR service = ?1) AND (?2 IS NULL OR kind = ?2)"
            " AND (?3 IS NULL OR name = ?3) ORDER BY started_at DESC, id DESC LIMIT ?4",
            (service, kind, name, limit),
        )
        return [_run(row) for row in rows]

    def run(self, run: str) -> TaskRun | None:
        rows = self._db.rows("SELECT * FROM tasks WHERE id = ?", (run,))
        return _run(rows[0]) if rows else None

    def handled(self, job: str) -> float | None:
        rows = self._db.rows("SELECT handled FROM job_cursors WHERE job = ?", (job,))
        return float(rows[0]["handled"]) if rows else None

    def set_handled(self, job: str, at: float) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO job_cursors (job, handled) VALUES (?1, ?2) ON CONFLICT (job) DO UPDATE SET handled = ?2",
                (job, at),
            )


def _run(row: sqlite3.Row) -> TaskRun:
    return TaskRun(
        id=row["id"],
        kind=cast("TaskKind", row["kind"]),
        name=row["name"],
        service=row["service"],
        version=row["version"],
        command=tuple(json.loads(row["command"])),
        who=row["who"],
        started_at=row["started_at"],
        deploy=row["deploy"],
        finished_at=row["finished_at"],
        result=cast("TaskResult | None", row["result"]),
        exit_code=row["exit_code"],
        output=row["output"],
    )
