"""`bgmon incidents`."""

from __future__ import annotations

import dataclasses
import time

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json


@click.command("incidents")
@click.option("--service", metavar="SERVICE", help="Only this service's.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@click.option("--detail", is_flag=True, help="With log tails and processes.")
@json_option
@pass_settings
def command(settings: Settings, service: str | None, limit: int, detail: bool, as_json: bool) -> None:
    """Show what failed, why, and what was done about it, newest first.

    \b
    Examples:
      bgmon incidents
      bgmon incidents --service core --detail
      bgmon incidents --json
    """
    from monitor.domain.health.causes import span

    found = settings.app().watch_store.incidents(service=service, limit=limit)
    if as_json:
        emit_json({"incidents": [dataclasses.asdict(incident) for incident in found]})
        return
    if not found:
        click.echo("no incidents")
        return
    for incident in found:
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(incident.started_at))
        lasted = span((incident.ended_at or time.time()) - incident.started_at)
        state = "over, lasted" if incident.ended_at is not None else "open, for"
        click.secho(f"#{incident.id} {began} {incident.cause} ({state} {lasted})", bold=incident.ended_at is None)
        for act in incident.acts:
            click.echo(f"    {act}")
        if detail and incident.detail:
            for line in incident.detail.splitlines():
                click.echo(f"    | {line}")
