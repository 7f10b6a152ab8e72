"""`bgmon grafana`: boards by way of Grafana's HTTP API."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.errors import GrafanaError, UsageError

if TYPE_CHECKING:
    from monitor.services.push import BoardPlan

TOKEN: Final = "BGMON_GRAFANA_TOKEN"  # noqa: S105 - the variable's name
_COLORS: Final = {"new": "green", "changed": "yellow", "same": None, "conflict": "red"}


@click.group("grafana")
def command() -> None:
    """Bring boards to a Grafana that does not read the generated files.

    \b
    Examples:
      bgmon grafana push --dry-run
      BGMON_GRAFANA_TOKEN=... bgmon grafana push
    """


@command.command("push")
@click.option("--url", metavar="URL", help="Where Grafana is; by default generate.grafana.url.")
@click.option("--folder", metavar="TITLE", help="A folder of that title; by default bgmon and the project's name.")
@click.option("--only", metavar="NAMES", help="Boards by the names of their files: core,_overview.")
@click.option("--dry-run", is_flag=True, help="Change nothing; list what would change.")
@click.option("--diff", is_flag=True, help="Change nothing; show what would change.")
@click.option("--force", is_flag=True, help="Write over boards that were made or changed in Grafana.")
@json_option
@pass_settings
def push(
    settings: Settings,
    *,
    url: str | None,
    folder: str | None,
    only: str | None,
    dry_run: bool,
    diff: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Save the generated boards in Grafana, and only those that differ.

    The token of a service account with the role Editor is read from BGMON_GRAFANA_TOKEN, or generate.grafana.token.
    A board that was made or changed in Grafana is a conflict: it stays as it is, and the exit code is 1.

    \b
    Examples:
      bgmon grafana push --diff
      bgmon grafana push --only core,_overview
    """
    from monitor.render.grafana.uid import folder_title, folder_uid
    from monitor.services.push import carry_out, planned_pushes

    app = settings.app()
    token = os.environ.get(TOKEN) or app.generation.grafana_token
    if not token:
        raise UsageError("there is no token for Grafana", hint=f"set {TOKEN}, or generate.grafana.token in bgmon.yml")
    boards = _chosen(app.generation.boards_json(), only)
    title = folder or folder_title(app.project)
    uid = folder_uid(title)
    grafana = app.generation.grafana(url, token)
    try:
        plans = planned_pushes(boards, grafana, folder=uid, force=force)
        if not (dry_run or diff):
            plans = carry_out(plans, grafana, folder=uid, folder_title=title, force=force)
    finally:
        grafana.close()
    if as_json:
        rows = [{"uid": item.uid, "title": item.title, "fate": item.fate, "why": item.why} for item in plans]
        emit_json({"boards": rows, "pushed": not (dry_run or diff)})
    else:
        _show(plans, diff=diff)
    conflicts = [item for item in plans if item.fate == "conflict"]
    if conflicts:
        raise GrafanaError(
            f"{len(conflicts)} of {len(plans)} boards were left alone: " + ", ".join(item.title for item in conflicts),
            hint="look with --diff; save a copy in Grafana, then write over with --force",
        )


def _chosen(boards: dict[str, str], only: str | None) -> list[dict[str, object]]:
    wanted = [name.strip() for name in only.split(",")] if only else list(boards)
    missing = [name for name in wanted if name not in boards]
    if missing:
        raise UsageError(f"there is no board {missing[0]!r}", hint=f"there are: {', '.join(sorted(boards))}")
    return [json.loads(boards[name]) for name in wanted]


def _show(plans: Sequence[BoardPlan], *, diff: bool) -> None:
    for item in plans:
        if item.fate == "same":
            continue
        click.secho(f"{item.fate}: ", fg=_COLORS[item.fate], nl=False)
        click.echo(f"{item.title}" + (f" ({item.why})" if item.why else ""))
        if diff:
            _print_diff(item)
    counts = {fate: sum(item.fate == fate for item in plans) for fate in _COLORS}
    click.echo(", ".join(f"{count} {fate}" for fate, count in counts.items() if count) or "no boards")


def _print_diff(item: BoardPlan) -> None:
    import difflib  # only where it is shown

    lines = difflib.unified_diff(
        item.before.splitlines(), item.after.splitlines(), "in Grafana", "generated", lineterm=""
    )
    for line in lines:
        click.secho(line, fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1]))
