"""`bgmon accessory`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploy import deploy_job, order_of
from monitor.cli.deploys import carry_out, wait_option
from monitor.cli.fleet import deploy_on_hosts, split_by_host
from monitor.cli.output import emit_json
from monitor.errors import UsageError

# What is done with an accessory as with any service, by the commands' own modules.
_SHARED: Final = ("exec", "logs", "remove", "restart", "start", "stop")


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_SHARED])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _SHARED:
            found = importlib.import_module(f"monitor.cli.{cmd_name}").command
            assert isinstance(found, click.Command)
            return found
        return super().get_command(ctx, cmd_name)


@click.group("accessory", cls=_Group)
def command() -> None:
    """Boot, upgrade and look after databases, caches and the like.

    \b
    Examples:
      bgmon accessory boot                          all that do not run yet
      bgmon accessory upgrade db --image postgres:17
      bgmon accessory logs db -f
    """


@command.command("boot")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@wait_option
@json_option
@pass_settings
def boot(settings: Settings, names: tuple[str, ...], *, wait: float, as_json: bool) -> int:
    """Start the accessories that were never started; one that is there is left alone.

    \b
    Examples:
      bgmon accessory boot
      bgmon accessory boot db
    """
    app = settings.app()
    orders = [order_of(app, name, wait=wait) for name in _known(settings, names)]
    local, spread = split_by_host(app, orders, None)
    there = [order for order in local if app.store.active(order.spec.name) is not None]
    for order in there:
        if as_json:
            emit_json({"event": "running", "service": order.spec.name})
        else:
            click.echo(f"{order.spec.name}: is there; bgmon accessory upgrade {order.spec.name} changes it")
    jobs: dict[str, Callable[[Any], Any]] = {one.spec.name: deploy_job(one) for one in local if one not in there}
    code = carry_out(settings, app, jobs, as_json=as_json) if jobs else 0
    if code or not spread:
        return code
    return deploy_on_hosts(settings, app, spread, ["--each", "--missing"], undo=False, as_json=as_json)


@command.command("upgrade")
@click.argument("name")
@click.option("--image", metavar="REF", help="The image to go to; the default is that of bgmon.yml.")
@wait_option
@json_option
@pass_settings
def upgrade(settings: Settings, name: str, image: str | None, *, wait: float, as_json: bool) -> int:
    """Replace an accessory by another image or other settings: the old one stops, then the new one starts.

    It is away meanwhile. When the new one does not get healthy, it is removed and the old one is started again; what a
    new version has done to the data by then stays done, so make a backup first.

    \b
    Examples:
      bgmon accessory upgrade db --image postgres:17.2
      bgmon accessory upgrade db                      with changed settings of bgmon.yml
    """
    app = settings.app()
    (known,) = _known(settings, (name,))
    local, spread = split_by_host(app, [order_of(app, known, image=image, wait=wait)], None)
    code = carry_out(settings, app, {one.spec.name: deploy_job(one) for one in local}, as_json=as_json) if local else 0
    if code or not spread:
        return code
    return deploy_on_hosts(settings, app, spread, ["--each"], undo=False, as_json=as_json)


def _known(settings: Settings, names: tuple[str, ...]) -> list[str]:
    known = list(settings.app().config.accessories)
    for name in names:
        if name not in known:
            raise UsageError(f"there is no accessory {name!r}", hint=f"known: {', '.join(known) or 'there are none'}")
    if not known:
        raise UsageError("bgmon.yml has no accessories", hint="see docs/accessories.md")
    return list(dict.fromkeys(names)) or known
