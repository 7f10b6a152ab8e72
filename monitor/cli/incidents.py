"""`bgmon incidents`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.cli.remote import documents, on_hosts


def _show_all(document: dict[str, Any], params: Mapping[str, Any]) -> None:
    rows = sorted(document.get("incidents", []), key=lambda row: float(row["started_at"]), reverse=True)
    _print(rows, detail=bool(params["detail"]))


@click.command("incidents")
@click.option("--service", metavar="SERVICE", help="Only this service's.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@click.option("--detail", is_flag=True, help="With log tails and processes.")
@json_option
@pass_settings
@on_hosts(documents(_show_all))
def command(settings: Settings, service: str | None, limit: int, detail: bool, as_json: bool) -> None:
    """Show what failed, why, and what was done about it, newest first.

    \b
    Examples:
      bgmon incidents
      bgmon incidents --service core --detail
      bgmon incidents --json
    """
    found = settings.app().watch_store.incidents(service=service, limit=limit)
    rows = [dataclasses.asdict(incident) for incident in found]
    if as_json:
        emit_json({"incidents": rows})
    else:
        _print(rows, detail=detail)


def _print(rows: list[dict[str, Any]], *, detail: bool) -> None:
    from monitor.domain.health.causes import span

    if not rows:
        click.echo("no incidents")
        return
    for row in rows:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["started_at"]))
        lasted = span((row["ended_at"] or time.time()) - row["started_at"])
        state = "over, lasted" if row["ended_at"] is not None else "open, for"
        where = f"{row['host']} " if "host" in row else ""
        click.secho(f"{where}#{row['id']} {began} {row['cause']} ({state} {lasted})", bold=row["ended_at"] is None)
        for act in row["acts"]:
            click.echo(f"    {act}")
        if detail and row["detail"]:
            for line in row["detail"].splitlines():
                click.echo(f"    | {line}")
