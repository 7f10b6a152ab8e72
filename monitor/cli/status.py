"""`bgmon status`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, table
from monitor.cli.remote import Asked, documents, on_hosts
from monitor.domain.proxy.reach import LOOPBACK

if TYPE_CHECKING:
    from monitor.bootstrap import App

_COLORS: Final = {"running": "green", "healthy": "green", "stopped": "yellow", "maintenance": "yellow"}
_WATCH_EVERY: Final = 1.0


def _show_hosts(document: dict[str, Any], _params: Mapping[str, Any]) -> None:
    _print(document, hosts=True)


def _merge(asked: Asked) -> int:
    asked.argv[1:] = [word for word in asked.argv[1:] if word not in {"-w", "--watch"}]
    once = documents(_show_hosts)
    if not asked.params["watch"]:
        return once(asked)
    while True:
        click.clear()
        once(asked)
        time.sleep(_WATCH_EVERY)


@click.command("status")
@click.option("-w", "--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@json_option
@pass_settings
@on_hosts(_merge)
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
    document: dict[str, Any] = {"services": [asdict(row) for row in services]}
    if found.orphans:
        document["orphans"] = [asdict(orphan) for orphan in found.orphans]
    if found.lookalikes:
        document["lookalikes"] = [asdict(one) for one in found.lookalikes]
    if as_json:
        emit_json(document)
    else:
        _print(document)
    fine = {"running", "stopped", "maintenance", "starting", "deploying", "not deployed"}
    return 0 if all(row.state in fine for row in services) else 1


def _place(row: dict[str, Any]) -> str:
    """Where it is reached; an older host says no address."""
    if row["port"] is None:
        return "-"
    return str(row["port"]) if row.get("address", LOOPBACK) == LOOPBACK else f"{row['address']}:{row['port']}"


def _print(document: dict[str, Any], *, hosts: bool = False) -> None:
    services = document.get("services", [])
    lines = [
        [
            *([row["host"]] if hosts else []),
            row["name"],
            row["color"] or "-",
            row["version"] or "-",
            row["state"],
            _ago(row["since"]),
            str(row["restarts"]),
            _place(row),
            row["image"] or "-",
        ]
        for row in services
    ]
    headings = ["SERVICE", "COLOR", "VERSION", "STATE", "SINCE", "RESTARTS", "PORT", "IMAGE"]
    head, *rest = table([*(["HOST"] if hosts else []), *headings], lines).splitlines()
    click.secho(head, dim=True)
    for row, line in zip(services, rest, strict=True):
        click.secho(line, fg=_COLORS.get(row["state"], "red" if row["version"] else None))
    for orphan in document.get("orphans", ()):
        where = f"{orphan['host']}: " if hosts else ""
        text = f"{where}orphan: {orphan['name']} ({orphan['state']}); bgmon prune removes it"
        click.secho(text, fg="yellow", err=True)
    for one in document.get("lookalikes", ()):
        where = f"{one['host']}: " if hosts else ""
        text = f"{where}lookalike: {one['name']} ({one['state']}) carries our labels, but bgmon did not make it"
        click.secho(f"{text}: left alone; to remove it: bgmon prune --id {one['id'][:12]}", fg="yellow", err=True)


def _ago(since: float | None) -> str:
    if since is None:
        return "-"
    seconds = max(0, int(time.time() - since))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
