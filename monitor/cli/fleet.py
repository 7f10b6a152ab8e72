"""A deploy on several hosts: one after another, stopped at the first that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor.cli.output import emit_event
from monitor.cli.remote import names_of_this_host, run_remote
from monitor.errors import BgmonError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.services.deploy.parts import Order


def split_by_host(app: App, orders: list[Order]) -> tuple[list[Order], dict[str, list[Order]]]:
    """What is deployed here, and what on which other host."""
    from monitor.domain.hosts import placement  # noqa: PLC0415

    hosts = {name: section.ssh for name, section in app.config.hosts.items()}
    local: list[Order] = []
    remote: dict[str, list[Order]] = {}
    for order in orders:
        is_local, others = placement(hosts, order.spec.hosts, names_of_this_host())
        if is_local:
            local.append(order)
        for host in others:
            remote.setdefault(host, []).append(order)
    return local, remote


def deploy_on_hosts(app: App, remote: dict[str, list[Order]], options: list[str], *, undo: bool, as_json: bool) -> int:
    """Deploy on each host in turn; the first exit code that is not 0.

    A failed host leaves the others as they are: those before it have the new version, those after it the old one. That
    is said, and undone with `undo`.
    """
    done: list[str] = []
    json_flag = ["--json"] if as_json else []
    for host, orders in remote.items():
        _say(host, "deploying", as_json=as_json)
        items = [f"{order.spec.name}={order.image}" for order in orders]
        code = _on(app, host, ["deploy", "--here", *items, *options, *json_flag], orders)
        if code == 0:
            done.append(host)
            continue
        waiting = [name for name in remote if name not in (*done, host)]
        _say(host, f"failed; {_hosts(done)} have the new version, {_hosts(waiting)} were not touched", as_json=as_json)
        if undo:
            for earlier in reversed(done):
                _say(earlier, "rolling back", as_json=as_json)
                for order in remote[earlier]:
                    _on(app, earlier, ["rollback", order.spec.name, *json_flag], [order])
        elif done:
            click.echo(f"  -> undo them with: bgmon -H {done[-1]} rollback SERVICE (or deploy with --undo)", err=True)
        return code
    return 0


def _on(app: App, host: str, argv: list[str], orders: list[Order]) -> int:
    from monitor.cli.output import report_error  # noqa: PLC0415

    try:
        return run_remote(app, host, argv, [order.spec.name for order in orders])
    except BgmonError as error:
        report_error(error, as_json="--json" in argv)
        return error.exit_code


def _hosts(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _say(host: str, text: str, *, as_json: bool) -> None:
    if as_json:
        emit_event({"event": "host", "host": host, "text": text})
    else:
        click.secho(f"{host}: {text}", bold=True)
