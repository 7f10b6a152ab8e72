"""`bgmon restart`."""

from __future__ import annotations

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import wait_option
from monitor.cli.remote import events, on_hosts
from monitor.cli.simple import change, services_argument


@click.command("restart")
@services_argument
@wait_option
@json_option
@pass_settings
@on_hosts(events(at_once=1))
def command(settings: Settings, services: tuple[str, ...], wait: float, as_json: bool) -> int:
    """Restart services in place, and wait until they are healthy.

    The proxy holds requests back meanwhile; a deploy of the same image (bgmon deploy) loses none at all.

    \b
    Examples:
      bgmon restart core
      bgmon restart core search --json
    """
    from monitor.services.deploy.lifecycle import restart

    return change(settings, services, lambda parts, service: restart(parts, service, wait=wait), as_json=as_json)
