"""`bgmon history`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table
from monitor.cli.remote import documents, on_hosts
from monitor.cli.services import complete_service, require


def _show_all(document: dict[str, Any], _params: Mapping[str, Any]) -> None:
    _print(sorted(document.get("deploys", []), key=lambda row: float(row["started_at"]), reverse=True))


@click.command("history")
@click.argument("service", required=False, shell_complete=complete_service)
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@json_option
@pass_settings
@on_hosts(documents(_show_all))
def command(settings: Settings, service: str | None, limit: int, as_json: bool) -> None:
    """Show past deploys, newest first: what, when, who, how it ended and how long it took.

    \b
    Examples:
      bgmon history
      bgmon history core -n 5 --json
    """
    app = settings.app()
    if service is not None:
        require(app, service)
    records = app.store.deploys(service, limit=limit)
    document = {"deploys": [asdict(record) for record in records]}
    if as_json:
        emit_json(document)
    else:
        _print(document["deploys"])


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("nothing was deployed yet")
        return
    hosts = "host" in rows[0]
    lines = [
        [
            datetime.fromtimestamp(row["started_at"], tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            *([row["host"]] if hosts else []),
            row["service"],
            row["kind"],
            row["version"],
            row["result"] or "under way",
            f"{row['finished_at'] - row['started_at']:.1f}s" if row["finished_at"] is not None else "",
            row["who"],
            row["reason"].splitlines()[0] if row["reason"] else "",
        ]
        for row in rows
    ]
    headings = ["SERVICE", "KIND", "VERSION", "RESULT", "TOOK", "WHO", "WHY"]
    click.echo(table(["WHEN", *(["HOST"] if hosts else []), *headings], lines))
