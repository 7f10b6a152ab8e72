"""`bgmon logs`."""

from __future__ import annotations

import sys

import click

from monitor.cli.containers import active_container
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import DurationType
from monitor.cli.output import emit_event
from monitor.cli.services import service_argument


@click.command("logs")
@service_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come, until Ctrl-C.")
@click.option("-n", "--tail", type=click.IntRange(min=0), default=100, show_default=True, help="Last lines to show.")
@click.option("--since", type=DurationType(), metavar="DURATION", help="Only what was written since then, e.g. 10m.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line was written.")
@json_option
@pass_settings
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings, service: str, follow: bool, tail: int, since: float | None, timestamps: bool, as_json: bool
) -> None:
    """Show a service's log.

    \b
    Examples:
      bgmon logs core -f
      bgmon logs core --since 10m -t
    """
    import time  # noqa: PLC0415

    app = settings.app()
    lines = app.engine.logs(
        active_container(app, service).id,
        tail=tail,
        since=None if since is None else time.time() - since,
        follow=follow,
        timestamps=timestamps,
    )
    for line in lines:
        if as_json:
            emit_event({"service": service, "line": line.decode(errors="replace")})
        else:
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
