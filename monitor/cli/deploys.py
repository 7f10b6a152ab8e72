"""Carrying out deploys and other changes from the command line: events, results, exit codes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.context import Settings
from monitor.cli.output import emit_event, report_error, unheard
from monitor.cli.services import MOST_AT_ONCE, interruptible, side_by_side, worst_exit
from monitor.errors import BgmonError, DeployFailed

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.services.deploy.deps import DeployDeps


class DurationType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no type parameter here
    """`30s`, `5m`: seconds, as bgmon.yml writes them."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from monitor.config.base import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def wait_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--wait`, seconds to wait for somebody else's lock."""
    text = "How long to wait when somebody else is changing the service; 0 fails at once."
    return click.option("--wait", type=DurationType(), default="0", metavar="DURATION", help=text)(function)


def carry_out(
    settings: Settings,
    app: App,
    jobs: dict[str, Callable[[Any], Any]],
    *,
    as_json: bool,
    together: bool = False,
) -> int:
    """Run each service's job with the deps it needs; report every failure; the exit code.

    `together`: deploys go on together or not at all, so each has a thread of its own.
    """
    from monitor.cli.progress import reporter

    with interruptible() as cancelled, reporter(as_json=as_json, verbose=settings.verbose) as emit:
        deps = app.deps(emit, cancelled=cancelled)
        if together and len(jobs) > 1:
            deps = _joined(deps, jobs)
        results = side_by_side(
            {name: functools.partial(_carried, job, deps, name) for name, job in jobs.items()},
            at_once=len(jobs) if together else MOST_AT_ONCE,
        )
    for name, result in results.items():
        if isinstance(result, BgmonError):
            _report(app, name, result, as_json=as_json, several=len(results) > 1)
    return worst_exit(results)


def _joined(deps: DeployDeps, services: Collection[str]) -> DeployDeps:
    from monitor.services.deploy.together import Together

    return replace(deps, together=Together(services))


def _carried(job: Callable[[Any], Any], deps: DeployDeps, service: str) -> Any:
    try:
        return job(deps)
    except BaseException:
        if deps.together is not None:
            deps.together.fail(service)
        raise


def _report(app: App, service: str, error: BgmonError, *, as_json: bool, several: bool) -> None:
    if as_json:
        document: dict[str, Any] = {"event": "failed", "service": service, "error": str(error), "hint": error.hint}
        document["exit"] = error.exit_code
        for record in app.store.deploys(service, limit=20) if error.deploy else []:
            if record.id == error.deploy:
                document |= {"deploy": record.id, "result": record.result, "timings": error.timings}
        with unheard():
            emit_event(document)
    if several:
        click.secho(f"{service}: ", bold=True, nl=False, err=True)
    report_error(error, as_json=False)
    if error.deploy and isinstance(error, DeployFailed):
        active = app.store.active(service)
        click.echo(f"  {active.version} serves as before" if active else "  nothing serves yet", err=True)
