"""`bgmon watch`."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table

if TYPE_CHECKING:
    from monitor.domain.health.watch import Watch

_QUIET = ("apscheduler", "asyncio", "aiohttp.access", "urllib3", "docker", "httpx", "httpcore")


@click.command("watch")
@click.option("--once", is_flag=True, help="One round: look at everything, heal, verify, and exit.")
@click.option("-v", "--verbose", count=True, help="Log more.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the daemon writes its own log; json is one object a line.",
)
@json_option
@pass_settings
def command(settings: Settings, once: bool, verbose: int, log_format: str, as_json: bool) -> int:
    """Run the watchdog: see every failure, heal it, and say why.

    It runs until SIGTERM; SIGHUP, or a change of bgmon.yml, makes it read its configuration again. With --once the
    exit code is 1 when a service is down after the round.

    \b
    Examples:
      bgmon watch
      bgmon watch --log-format json
      bgmon watch --once --json
      bgmon install --now          run it under systemd, from now on and after every boot
    """
    app = settings.app()
    _log(max(verbose, settings.verbose), once=once, as_json=log_format == "json")
    if once:
        watches = app.one_shot().run()
        left = app.alerting.drain()
        if left:
            click.echo(f"{left} alert message(s) could not be delivered; the next round tries again", err=True)
        return _once(watches, as_json=as_json)
    import asyncio

    asyncio.run(app.watch_daemon().run())
    return 0


def _once(watches: dict[str, Watch], *, as_json: bool) -> int:
    from monitor.domain.health.watch import DOWN

    found = [watch for _, watch in sorted(watches.items())]
    if as_json:
        emit_json(
            {
                "services": [
                    {"name": watch.service, "state": watch.state, "since": watch.since, "reason": watch.reason}
                    for watch in found
                ]
            }
        )
    elif found:
        click.echo(table(["SERVICE", "STATE", "REASON"], [[w.service, w.state, w.reason] for w in found]))
    else:
        click.echo("nothing is deployed here")
    return 1 if any(watch.state in DOWN for watch in found) else 0


def _log(verbose: int, *, once: bool, as_json: bool) -> None:
    level = logging.DEBUG if verbose else logging.WARNING if once else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json_lines() if as_json else _text_lines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if verbose < 2:  # noqa: PLR2004 - twice shows the libraries, too
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)


def _text_lines() -> logging.Formatter:
    """Under systemd the journal knows the time; elsewhere every line begins with it."""
    stamp = "" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s "
    return logging.Formatter(f"{stamp}%(levelname)s %(message)s")


def _json_lines() -> logging.Formatter:
    """`time` (UTC), `level`, `logger`, `message`, and `exception` where there is one."""
    from pythonjsonlogger.json import JsonFormatter

    return JsonFormatter(
        "{levelname}{name}{message}",
        style="{",
        timestamp="time",
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
    )
