"""The shape that restart, stop, start and maintenance share: one change to some services, side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from monitor.cli.context import Settings
from monitor.cli.deploys import carry_out
from monitor.cli.services import complete_service, require


def services_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """One SERVICE or more, completed by the shell."""
    return click.argument("services", nargs=-1, required=True, metavar="SERVICE...", shell_complete=complete_service)(
        function
    )


def change(settings: Settings, services: tuple[str, ...], act: Callable[[Any, str], Any], *, as_json: bool) -> int:
    """Do `act(parts, service)` for each; the exit code."""
    app = settings.app()
    names = [require(app, name) for name in dict.fromkeys(services)]
    jobs: dict[str, Callable[[Any], Any]] = {}
    for name in names:
        jobs[name] = _bound(act, name)
    return carry_out(settings, app, jobs, as_json=as_json)


def _bound(act: Callable[[Any, str], Any], name: str) -> Callable[[Any], Any]:
    return lambda parts: act(parts, name)
