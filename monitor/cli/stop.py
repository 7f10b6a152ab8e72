"""`bgmon stop`."""

from __future__ import annotations

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import wait_option
from monitor.cli.remote import events, on_hosts
from monitor.cli.simple import change, services_argument


@click.command("stop")
@services_argument
@wait_option
@json_option
@pass_settings
@on_hosts(events())
def command(settings: Settings, services: tuple[str, ...], wait: float, as_json: bool) -> int:
    """Stop services, and keep them stopped.

    Requests under way are finished first. The daemon knows that a person wanted it so, and does not start them again.

    \b
    Examples:
      bgmon stop core
      bgmon stop core search --json
    """
    from monitor.services.deploy.lifecycle import stop

    return change(settings, services, lambda parts, service: stop(parts, service, wait=wait), as_json=as_json)
