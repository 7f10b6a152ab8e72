"""`bgmon jobs`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table
from monitor.cli.remote import documents, on_hosts

if TYPE_CHECKING:
    from monitor.domain.deploy.tasks import TaskRun
    from monitor.domain.jobs import JobView


def _show_all(document: dict[str, Any], _params: Mapping[str, Any]) -> None:
    _print([row for row in document.get("jobs", []) if row["here"]])


@click.command("jobs")
@json_option
@pass_settings
@on_hosts(documents(_show_all))
def command(settings: Settings, as_json: bool) -> None:
    """Show the jobs of bgmon.yml: when each runs next, and how its last run ended.

    The daemon (bgmon watch) runs them; bgmon run --job NAME runs one now, bgmon tasks shows every run and its output.

    \b
    Examples:
      bgmon jobs
      bgmon jobs --json
    """
    from monitor.services.jobs import view

    app = settings.app()
    now = time.time()
    here = app.jobs_here()
    rows = [_row(view(app.tasks, job, now, None), here=job.name in here) for job in app.jobs.values()]
    if as_json:
        emit_json({"jobs": rows})
    else:
        _print(rows)


def _row(seen: JobView, *, here: bool) -> dict[str, Any]:
    job = seen.job
    return {
        "name": job.name,
        "service": job.like,
        "schedule": job.schedule,
        "zone": job.zone,
        "command": list(job.command),
        "runs_on": job.host,
        "here": here,
        "next_at": seen.next_at if here else None,
        "running_since": seen.running_since,
        "last": None if seen.last is None else _run(seen.last),
    }


def _run(run: TaskRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "result": run.result,
        "exit_code": run.exit_code,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no jobs; they stand under jobs in bgmon.yml")
        return
    hosts = any(row["runs_on"] for row in rows)
    lines = [
        [
            row["name"],
            row["service"],
            *([row["runs_on"] or ""] if hosts else []),
            row["schedule"],
            _when(row["next_at"], row["zone"]) if row["here"] else "elsewhere",
            _last(row),
            shlex.join(row["command"]),
        ]
        for row in rows
    ]
    click.echo(table(["JOB", "LIKE", *(["HOST"] if hosts else []), "SCHEDULE", "NEXT", "LAST", "COMMAND"], lines))


def _when(at: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"


def _last(row: Mapping[str, Any]) -> str:
    if row["running_since"] is not None:
        return f"under way since {_when(row['running_since'], row['zone'])}"
    last = row["last"]
    if last is None:
        return "never ran" if row["here"] else ""
    how = f"failed ({last['exit_code']})" if last["result"] == "failed" else last["result"]
    return f"{how} {_when(last['started_at'], row['zone'])}"
