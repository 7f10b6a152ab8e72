"""`bgmon proxy`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.errors import ProxyUnreachable

if TYPE_CHECKING:
    from monitor.bootstrap import App

_dry_run = click.option("--dry-run", is_flag=True, help="Print the configuration and change nothing.")


@click.group("proxy")
def command() -> None:
    """Start, look at, reload or remove the proxy.

    \b
    Examples:
      bgmon proxy boot              start it, or do nothing when it runs
      bgmon proxy status --json
      bgmon proxy reload            read bgmon.yml and certificates anew, refusing no connection
    """


@command.command("boot")
@_dry_run
@json_option
@pass_settings
def boot(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Start the proxy with every service of bgmon.yml; one that runs is left alone.

    \b
    Examples:
      bgmon proxy boot
      bgmon proxy boot --dry-run
    """
    app = settings.app()
    if dry_run:
        _print_config(app, as_json)
        return
    with _lock(app, "starting the proxy"):
        started = app.proxy.boot(app.routes())
    _report(app, "started" if started else "running", as_json)


@command.command("status")
@json_option
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show whether it runs, where it listens and what it carries. Exit code 4 when it does not run.

    \b
    Example:
      bgmon proxy status --json
    """
    app = settings.app()
    found = app.proxy.status()
    document = asdict(found)
    document["slots"] = _slots(app, found.services) if found.running else {}
    if as_json:
        emit_json(document)
    elif found.running:
        click.echo(f"HAProxy {found.version} runs, listening on {', '.join(found.listening)}")
        for service, slots in document["slots"].items():
            parts = [f"{color} {s['state']} :{s['port']} ({s['sessions']} sessions)" for color, s in slots.items()]
            click.echo(f"  {service}: {'; '.join(parts)}")
        if found.detail:
            click.echo(f"  {found.detail}")
    if not found.running:
        raise ProxyUnreachable("the proxy does not run", hint="start it with: bgmon proxy boot")


@command.command("reload")
@_dry_run
@json_option
@pass_settings
def reload(settings: Settings, dry_run: bool, as_json: bool) -> None:
    """Have it read everything anew, or run the new image when that changed. No connection is refused meanwhile.

    \b
    Examples:
      bgmon proxy reload
      bgmon proxy reload --dry-run
    """
    app = settings.app()
    if dry_run:
        _print_config(app, as_json)
        return
    with _lock(app, "reloading the proxy"):
        app.proxy.reload(app.routes())
    _report(app, "reloaded", as_json)


@command.command("remove")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_settings
def remove(settings: Settings, yes: bool, as_json: bool) -> None:
    """Stop it and take its files away. Every request is refused from then on.

    \b
    Example:
      bgmon proxy remove --yes
    """
    app = settings.app()
    if not yes and not as_json:
        click.confirm("Stop the proxy? Every request will be refused.", abort=True)
    with _lock(app, "removing the proxy"):
        app.proxy.remove()
    if as_json:
        emit_json({"proxy": "removed"})
    else:
        click.echo("the proxy is removed")


def _lock(app: App, purpose: str) -> Any:
    from monitor.services.deploy.traffic import PROXY_LOCK

    return app.locks.acquire(PROXY_LOCK, wait=30.0, purpose=purpose)


def _print_config(app: App, as_json: bool) -> None:
    text = app.wiring.proxy_config()
    if as_json:
        emit_json({"config": text})
    else:
        click.echo(text, nl=False)


def _report(app: App, what: str, as_json: bool) -> None:
    found = app.proxy.status()
    if as_json:
        emit_json({"proxy": what, **asdict(found)})
    else:
        click.echo(f"{what}: HAProxy {found.version}, listening on {', '.join(found.listening)}")


def _slots(app: App, services: tuple[str, ...]) -> dict[str, dict[str, dict[str, Any]]]:
    return {service: {color: asdict(slot) for color, slot in app.proxy.slots(service).items()} for service in services}
