"""`bgmon status`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table
from monitor.domain.proxy.reach import LOOPBACK

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.services.deploy.status import Row

_COLORS: Final = {"running": "green", "healthy": "green", "stopped": "yellow", "maintenance": "yellow"}
_WATCH_EVERY: Final = 1.0


@click.command("status")
@click.option("-w", "--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@json_option
@pass_settings
def command(settings: Settings, watch: bool, as_json: bool) -> int:
    """Show what runs, in which color and version.

    Exit code 1 when a deployed service is not running and nobody stopped it.

    \b
    Examples:
      bgmon status
      bgmon status --json | jq -r '.services[] | select(.state != "running").name'
    """
    app = settings.app()
    if not watch:
        return _show(app, as_json=as_json)
    while True:
        click.clear()
        _show(app, as_json=as_json)
        time.sleep(_WATCH_EVERY)


def _show(app: App, *, as_json: bool) -> int:
    from monitor.services.deploy.status import picture

    found = picture(app.engine, app.own, app.store, app.project, app.specs)
    services = found.services
    if as_json:
        document: dict[str, Any] = {"services": [asdict(row) for row in services]}
        if found.orphans:
            document["orphans"] = [asdict(orphan) for orphan in found.orphans]
        if found.lookalikes:
            document["lookalikes"] = [asdict(one) for one in found.lookalikes]
        emit_json(document)
    else:
        lines = [
            [
                row.name,
                row.color or "-",
                row.version or "-",
                row.state,
                _ago(row.since),
                str(row.restarts),
                _place(row),
                row.image or "-",
            ]
            for row in services
        ]
        text = table(["SERVICE", "COLOR", "VERSION", "STATE", "SINCE", "RESTARTS", "PORT", "IMAGE"], lines)
        head, *rest = text.splitlines()
        click.secho(head, dim=True)
        for row, line in zip(services, rest, strict=True):
            click.secho(line, fg=_COLORS.get(row.state, "red" if row.version else None))
        for orphan in found.orphans:
            click.secho(f"orphan: {orphan.name} ({orphan.state}); bgmon prune removes it", fg="yellow", err=True)
        for one in found.lookalikes:
            text = f"lookalike: {one.name} ({one.state}) carries our labels, but bgmon did not make it: left alone"
            click.secho(f"{text}; to remove it: bgmon prune --id {one.id[:12]}", fg="yellow", err=True)
    fine = {"running", "stopped", "maintenance", "starting", "deploying", "not deployed"}
    return 0 if all(row.state in fine for row in services) else 1


def _place(row: Row) -> str:
    return "-" if row.port is None else str(row.port) if row.address == LOOPBACK else f"{row.address}:{row.port}"


def _ago(since: float | None) -> str:
    if since is None:
        return "-"
    seconds = max(0, int(time.time() - since))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
