"""`bgmon maintenance`."""

from __future__ import annotations

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import wait_option
from monitor.cli.remote import events, on_hosts
from monitor.cli.services import service_argument
from monitor.cli.simple import change


@click.command("maintenance")
@click.argument("state", type=click.Choice(["on", "off"]))
@service_argument
@wait_option
@json_option
@pass_settings
@on_hosts(events())
def command(settings: Settings, state: str, service: str, wait: float, as_json: bool) -> int:
    """Show a friendly 503 page instead of a service, or no longer.

    The service itself goes on running. The page is bgmon's own, or the file at proxy.maintenance_page.

    \b
    Examples:
      bgmon maintenance on core
      bgmon maintenance off core
    """
    from monitor.services.deploy.lifecycle import maintenance

    return change(
        settings,
        (service,),
        lambda parts, name: maintenance(parts, name, on=state == "on", wait=wait),
        as_json=as_json,
    )
