"""`bgmon logs`."""

from __future__ import annotations

import sys

import click

from monitor.cli.containers import active_container
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import DurationType
from monitor.cli.output import emit_event
from monitor.cli.remote import Asked, on_hosts
from monitor.cli.services import complete_service
from monitor.cli.streams import write_unmasked


def _merge(asked: Asked) -> int:
    from monitor.cli.hostlogs import merge_logs

    return merge_logs(asked)


@click.command("logs")
@click.argument("service", required=False, shell_complete=complete_service)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come, until Ctrl-C.")
@click.option(
    "-n", "--tail", type=click.IntRange(0, 1_000_000_000), default=100, show_default=True, help="Last lines to show."
)
@click.option("--since", type=DurationType(), metavar="DURATION", help="Only what was written since then, e.g. 10m.")
@click.option("-t", "--timestamps", is_flag=True, help="Show when each line was written.")
@click.option("--test", "line", metavar="LINE", help="Show how request metrics read this line; - takes standard input.")
@click.option("--raw", is_flag=True, help="Lines as they were written: secrets are not masked.")
@json_option
@pass_settings
@on_hosts(_merge)
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings,
    service: str | None,
    follow: bool,
    tail: int,
    since: float | None,
    timestamps: bool,
    line: str | None,
    raw: bool,
    as_json: bool,
) -> None:
    """Show a service's log.

    \b
    Examples:
      bgmon logs core -f
      bgmon logs core --since 10m -t
      bgmon logs core --test '{"status": 200, "duration": 0.012, "path": "/"}'
    """
    import time

    app = settings.app()
    if line is not None:
        from monitor.cli.logtest import show_reading

        show_reading(app, service, line, as_json=as_json)
        return
    if service is None:
        raise click.UsageError("Missing argument 'SERVICE'.")
    lines = app.engine.logs(
        active_container(app, service).id,
        tail=tail,
        since=None if since is None else time.time() - since,
        follow=follow,
        timestamps=timestamps,
    )
    for written in lines:
        if raw and not as_json:
            write_unmasked(written + b"\n")
        elif as_json:
            emit_event({"service": service, "line": written.decode(errors="replace")})
        else:
            sys.stdout.buffer.write(written + b"\n")
            sys.stdout.buffer.flush()
