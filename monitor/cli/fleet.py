"""A deploy on several hosts, from the command line."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.fleetview import host_reporter
from monitor.cli.output import emit_event, report_error
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.cli.context import Settings
    from monitor.domain.deploy.rollout import HostState
    from monitor.services.deploy.deps import DeployRequest
    from monitor.services.fleet.rollout import RolloutResult

_WORDS: Final[dict[HostState, str]] = {
    "done": "have the new version",
    "kept": "could not be rolled back and have the new version",
    "undone": "were rolled back",
    "failed": "failed",
    "unknown": "fell silent, and how their deploy ends is not known",
    "waiting": "were not touched",
}


def split_by_host(
    app: App, orders: list[DeployRequest], given: str | None
) -> tuple[list[DeployRequest], dict[str, list[DeployRequest]]]:
    """What is deployed on this machine alone, and what on which hosts (this one may be among them).

    `given` is `--hosts`: only these, by name. Raises UsageError.
    """
    from monitor.bootstrap.hosts import names_of_this_host
    from monitor.domain.hosts import asked, placement

    hosts = {name: section.ssh for name, section in app.config.hosts.items()}
    only: list[str] | None = None
    if given is not None and given != "all":
        try:
            only = asked(hosts, {}, (), set(), given)
        except ValueError as error:
            raise UsageError(f"{error} is no host", hint=f"known: {', '.join(hosts) or 'none'}") from None
    local: list[DeployRequest] = []
    spread: dict[str, list[DeployRequest]] = {}
    here = names_of_this_host(app.project)
    for order in orders:
        wanted = [host for host in order.spec.hosts if only is None or host in only]
        if only is not None and not wanted:
            raise UsageError(
                f"{order.spec.name} does not run on {given}",
                hint=f"its hosts: {', '.join(order.spec.hosts) or 'this machine'}",
            )
        is_local, others = placement(hosts, wanted, here)
        if is_local and not others:
            local.append(order)
            continue
        for host in wanted:
            spread.setdefault(host, []).append(order)
    return local, spread


def deploy_on_hosts(
    settings: Settings,
    app: App,
    spread: Mapping[str, list[DeployRequest]],
    options: list[str],
    *,
    undo: bool,
    as_json: bool,
) -> int:
    """One rollout; the exit code of the host that failed, 0 when none did."""
    from monitor.adapters.host.clock import SystemClock
    from monitor.cli.services import interruptible
    from monitor.domain.deploy.rollout import merged, waves
    from monitor.services.fleet.rollout import Rollout, RolloutRequest

    orders = {order.spec.name: order for found in spread.values() for order in found}
    policy = merged([order.spec.deploy.hosts for order in orders.values()])
    if undo:
        policy = replace(policy, on_failure="rollback")
    first = next(iter(orders.values()))
    request = RolloutRequest(
        id=f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}",
        items={host: [f"{order.spec.name}={order.image}" for order in found] for host, found in spread.items()},
        policy=policy,
        pull=first.pull,
        wait=first.wait,
        options=tuple(options),
        release=tuple(name for name, order in orders.items() if order.spec.deploy.release and order.release),
    )
    plan = waves(list(request.items), policy)
    _begin(request.id, plan, as_json=as_json)
    hosts = app.hosts(sharing=True)
    view = host_reporter(list(spread), as_json=as_json, verbose=settings.verbose)
    try:
        with interruptible() as cancelled, view as tell:
            result = Rollout(hosts, SystemClock(), tell, cancelled, request).run()
    finally:
        hosts.close()
    return _end(request.id, result, as_json=as_json)


def _begin(rollout: str, plan: list[list[str]], *, as_json: bool) -> None:
    if as_json:
        emit_event({"event": "rollout", "rollout": rollout, "waves": plan})
    else:
        click.secho(f"rollout {rollout}: {', then '.join(' and '.join(wave) for wave in plan)}", bold=True)


def _end(rollout: str, result: RolloutResult, *, as_json: bool) -> int:
    error = result.error
    if as_json:
        emit_event({"event": "rollout-ended", "rollout": rollout, "ok": error is None, "hosts": result.states})
    if error is None:
        return 0
    report_error(error, as_json=as_json)
    if any(state != "waiting" for state in result.states.values()):
        told = [f"{', '.join(names)} {words}" for state, words in _WORDS.items() if (names := result.having(state))]
        if not as_json:
            click.echo("; ".join(told))
        if result.having("done"):
            text = "  -> finish it by deploying again, or undo it with: bgmon rollback SERVICE --previous --hosts "
            click.echo(text + ",".join(result.having("done")), err=True)
    return error.exit_code


def attach(app: App, rollout: str, *, as_json: bool, verbose: int) -> int:
    """Show how the hosts' parts of a rollout went on after its caller was lost; the highest of their exit codes."""
    from monitor.domain.remotejob import is_id
    from monitor.services.fleet.lines import Events
    from monitor.services.fleet.rollout import deploy_job

    if not is_id(rollout):
        raise UsageError(f"{rollout!r} is no rollout's id", hint="it stands in the first line that the deploy printed")
    hosts = app.hosts()
    names = [name for name, section in app.config.hosts.items() if section.ssh is not None]
    if not names:
        raise UsageError("bgmon.yml has no hosts with an ssh address")
    with host_reporter(names, as_json=as_json, verbose=verbose) as tell:

        def follow(host: str) -> int:
            def told(event: Mapping[str, Any]) -> None:
                tell(host, event)

            events = Events(told)
            try:
                code = hosts.follow(host, deploy_job(rollout), events.piece)
            except BgmonError as error:
                tell(host, {"event": "host", "state": "unknown", "text": str(error)})
                return error.exit_code
            state, text = ("waiting", "was not touched") if code is None else ("done", "done")
            if code:
                state, text = "failed", f"failed: {events.error(host, code)}"
            tell(host, {"event": "host", "state": state, "text": text})
            return code or 0

        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            return max(pool.map(follow, names))
