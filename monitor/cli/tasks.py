"""`bgmon tasks`."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Mapping
from typing import Any

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table
from monitor.cli.remote import documents, on_hosts
from monitor.cli.services import complete_service, require
from monitor.errors import UsageError


def _show_all(document: dict[str, Any], _params: Mapping[str, Any]) -> None:
    _print(sorted(document.get("tasks", []), key=lambda row: float(row["started_at"]), reverse=True))


@click.command("tasks")
@click.argument("service", required=False, shell_complete=complete_service)
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@click.option("--output", "run", metavar="ID", help="Print the output of one of them; its last lines are kept.")
@json_option
@pass_settings
@on_hosts(documents(_show_all))
def command(settings: Settings, service: str | None, limit: int, run: str | None, as_json: bool) -> None:
    """Show the release commands, jobs and commands by hand that ran in a container of their own, newest first.

    \b
    Examples:
      bgmon tasks
      bgmon tasks core -n 5 --json
      bgmon tasks --output core-release-1795747201234
    """
    app = settings.app()
    if run is not None:
        found = app.tasks.run(run)
        if found is None:
            raise UsageError(f"no task {run!r} is known here", hint="bgmon tasks")
        if as_json:
            emit_json(dataclasses.asdict(found))
        else:
            click.echo(found.output or "(it wrote nothing)")
        return
    if service is not None:
        require(app, service)
    rows = [dataclasses.asdict(one) for one in app.tasks.runs(service=service, limit=limit)]
    if as_json:
        emit_json({"tasks": [{key: value for key, value in row.items() if key != "output"} for row in rows]})
    else:
        _print(rows)


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no task ran yet")
        return
    hosts = "host" in rows[0]
    lines = [
        [
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["started_at"])),
            *([row["host"]] if hosts else []),
            row["service"],
            row["name"],
            row["version"],
            _ended(row),
            f"{row['finished_at'] - row['started_at']:.1f}s" if row["finished_at"] is not None else "",
            row["id"],
            shlex.join(row["command"]),
        ]
        for row in rows
    ]
    headings = ["SERVICE", "TASK", "VERSION", "RESULT", "TOOK", "ID", "COMMAND"]
    click.echo(table(["WHEN", *(["HOST"] if hosts else []), *headings], lines))


def _ended(row: Mapping[str, Any]) -> str:
    if row["result"] == "failed":
        return f"failed ({row['exit_code']})"
    return row["result"] or "under way"
