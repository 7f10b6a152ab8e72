"""`bgmon history`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table
from monitor.cli.services import complete_service, require


@click.command("history")
@click.argument("service", required=False, shell_complete=complete_service)
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@json_option
@pass_settings
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
    if as_json:
        emit_json({"deploys": [asdict(record) for record in records]})
        return
    if not records:
        click.echo("nothing was deployed yet")
        return
    lines = [
        [
            datetime.fromtimestamp(record.started_at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            record.service,
            record.kind,
            record.version,
            record.result or "under way",
            f"{record.finished_at - record.started_at:.1f}s" if record.finished_at is not None else "",
            record.who,
            record.reason.splitlines()[0] if record.reason else "",
        ]
        for record in records
    ]
    click.echo(table(["WHEN", "SERVICE", "KIND", "VERSION", "RESULT", "TOOK", "WHO", "WHY"], lines))
