"""A deploy on several hosts: one after another, stopped at the first that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from monitor.cli.output import emit_event
from monitor.cli.remote import names_of_this_host, run_remote
from monitor.errors import BgmonError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.services.deploy.deps import DeployRequest

HERE: Final = "this machine"


def split_by_host(app: App, orders: list[DeployRequest]) -> tuple[list[DeployRequest], dict[str, list[DeployRequest]]]:
    """What is deployed here, and what on which other host."""
    from monitor.domain.hosts import placement

    hosts = {name: section.ssh for name, section in app.config.hosts.items()}
    local: list[DeployRequest] = []
    remote: dict[str, list[DeployRequest]] = {}
    for order in orders:
        is_local, others = placement(hosts, order.spec.hosts, names_of_this_host())
        if is_local:
            local.append(order)
        for host in others:
            remote.setdefault(host, []).append(order)
    return local, remote


def deploy_on_hosts(
    app: App,
    remote: dict[str, list[DeployRequest]],
    options: list[str],
    *,
    before: list[str],
    undo: bool,
    as_json: bool,
) -> int:
    """Deploy on each host in turn; the first exit code that is not 0.

    A failed host leaves the others as they are: those before it, `before` among them, have the new version, those after
    it the old one. That is said, and undone with `undo`.
    """
    done = list(before)
    json_flag = ["--json"] if as_json else []
    for host, orders in remote.items():
        _say(host, "deploying", as_json=as_json)
        items = [f"{order.spec.name}={order.image}" for order in orders]
        code = _on(app, host, ["deploy", "--here", *items, *options, *json_flag], orders)
        if code == 0:
            done.append(host)
            continue
        waiting = [name for name in remote if name not in (*done, host)]
        partly = " (or part of its services, see above)" if len(orders) > 1 else ""
        text = f"failed{partly}; {_hosts(done)} have the new version, {_hosts(waiting)} were not touched"
        _say(host, text, as_json=as_json)
        if undo:
            _undo(app, [name for name in reversed(done) if name != HERE], remote, as_json=as_json)
        elif done:
            click.echo(
                "  -> undo them with: bgmon -H HOST rollback SERVICE --previous (or deploy with --undo)", err=True
            )
        return code
    return 0


def _undo(app: App, hosts: list[str], remote: dict[str, list[DeployRequest]], *, as_json: bool) -> None:
    for host in hosts:
        for order in remote[host]:
            _say(host, f"rolling {order.spec.name} back", as_json=as_json)
            argv = ["rollback", order.spec.name, "--previous", *(["--json"] if as_json else [])]
            if _on(app, host, argv, [order]):
                _say(host, f"{order.spec.name} could not be rolled back: it has the new version", as_json=as_json)


def _on(app: App, host: str, argv: list[str], orders: list[DeployRequest]) -> int:
    from monitor.cli.output import report_error

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
