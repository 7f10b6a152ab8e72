"""`bgmon remove`."""

from __future__ import annotations

import sys

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import wait_option
from monitor.cli.services import service_argument
from monitor.cli.simple import change
from monitor.errors import UsageError


@click.command("remove")
@service_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@wait_option
@json_option
@pass_settings
def command(settings: Settings, service: str, yes: bool, wait: float, as_json: bool) -> int:
    """Take a service off this host: its traffic, containers, history and kept secrets.

    Volumes and images stay; `bgmon prune` takes old images away.

    \b
    Examples:
      bgmon remove core
      bgmon remove core --yes --json
    """
    from monitor.services.deploy.lifecycle import remove

    if not yes and (as_json or not sys.stdin.isatty()):
        raise UsageError(f"this takes {service} off this host", hint="say so with --yes")
    if not yes:
        click.confirm(f"Stop {service}, and forget its history?", abort=True)
    return change(settings, (service,), lambda parts, name: remove(parts, name, wait=wait), as_json=as_json)
