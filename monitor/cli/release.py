"""`bgmon release`: the part of a rollout that runs once for all hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import carry_out, wait_option
from monitor.cli.services import spec_of

if TYPE_CHECKING:
    from monitor.services.deploy.deps import DeployRequest


@click.command("release", hidden=True)
@click.argument("item", metavar="SERVICE=IMAGE")
@wait_option
@json_option
@pass_settings
def command(settings: Settings, item: str, *, wait: float, as_json: bool) -> int:
    """Run a service's release command in an image that is on this host; start nothing of it.

    \b
    Example:
      bgmon release core=reg/core:abc
    """
    from monitor.domain.names import version_of
    from monitor.services.deploy.deps import DeployRequest

    app = settings.app()
    name, _, image = item.partition("=")
    request = DeployRequest(spec=spec_of(app, name), image=image, version=version_of(image), pull="never", wait=wait)
    return carry_out(settings, app, {name: _job(request)}, as_json=as_json)


def _job(request: DeployRequest) -> Callable[[Any], Any]:
    from monitor.services.deploy.release import release_alone

    return lambda deps: release_alone(deps, request)
