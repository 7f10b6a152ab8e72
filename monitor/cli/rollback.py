"""`bgmon rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import carry_out, wait_option
from monitor.cli.remote import events, on_hosts
from monitor.cli.services import require, service_argument, spec_of

if TYPE_CHECKING:
    from monitor.services.deploy.deps import DeployDeps


@click.command("rollback")
@service_argument
@click.option("--to", metavar="VERSION", help="This version; by default the last good one before the active one.")
@click.option("--previous", is_flag=True, help="To the release before the active one, even if its image is the same.")
@click.option("--current-config", is_flag=True, help="With today's bgmon.yml and secrets, not the release's own.")
@click.option("--dry-run", is_flag=True, help="Only say where it would go.")
@wait_option
@json_option
@pass_settings
@on_hosts(events(at_once=1))
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings,
    service: str,
    to: str | None,
    previous: bool,
    current_config: bool,
    dry_run: bool,
    wait: float,
    as_json: bool,
) -> int:
    """Go back to the last good version, or a given one.

    It is a deploy of the recorded image, so it loses no request either. The configuration and secrets are those that
    the release was deployed with, unless --current-config is given.

    \b
    Examples:
      bgmon rollback core
      bgmon rollback core --to abc
    """
    from monitor.cli.output import emit_json
    from monitor.services.deploy.deployer import roll_back
    from monitor.services.deploy.rollback import choose

    app = settings.app()
    require(app, service)
    current = spec_of(app, service) if current_config else None
    if dry_run:
        target = choose(app.store, service, to, previous=previous)
        if as_json:
            emit_json({"service": service, "version": target.version, "image": target.image, "digest": target.digest})
        else:
            click.echo(f"{service} would go back to {target.version} ({target.digest})")
        return 0
    app.engine.ask_ahead()

    def job(deps: DeployDeps) -> Any:
        return roll_back(deps, service, to=to, previous=previous, current=current, wait=wait)

    return carry_out(settings, app, {service: job}, as_json=as_json)
