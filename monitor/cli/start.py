"""`bgmon start`."""

from __future__ import annotations

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import wait_option
from monitor.cli.remote import events, on_hosts
from monitor.cli.simple import change, services_argument


@click.command("start")
@services_argument
@wait_option
@json_option
@pass_settings
@on_hosts(events())
def command(settings: Settings, services: tuple[str, ...], wait: float, as_json: bool) -> int:
    """Start services that were stopped.

    They get their traffic back once they are healthy.

    \b
    Examples:
      bgmon start core
      bgmon start core search --json
    """
    from monitor.services.deploy.lifecycle import start

    return change(settings, services, lambda parts, service: start(parts, service, wait=wait), as_json=as_json)
