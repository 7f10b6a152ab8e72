"""`bgmon generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import DurationType
from monitor.cli.output import show_notes
from monitor.cli.streams import write_unmasked
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.services.generate.generator import Plan

_FAMILIES: Final = ("alertmanager", "alloy", "compose", "grafana", "loki", "prometheus", "promtail")
_MARKS: Final = {
    "new": "green",
    "changed": "yellow",
    "gone": "red",
    "edited": "red",
    "foreign": "red",
    "left": "yellow",
}
_WORDS: Final = {
    "edited": "edited by hand",
    "foreign": "not made by bgmon, in the way",
    "left": "no longer generated, but edited by hand: left alone",
}


def _only(_ctx: click.Context, _param: click.Parameter, value: str | None) -> frozenset[str]:
    names = frozenset(part.strip() for part in (value or "").split(",") if part.strip())
    unknown = sorted(names - set(_FAMILIES))
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(_FAMILIES)}")
    return names


@click.command("generate")
@click.option("-o", "--out", metavar="DIR", help="The folder to write to; by default generate.out of bgmon.yml.")
@click.option("--only", metavar="NAMES", callback=_only, help=f"Some of them: {','.join(_FAMILIES)}.")
@click.option(
    "--check", is_flag=True, help="Write nothing; show the diff and exit with 1 when files are not up to date."
)
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@click.option("--dry-run", is_flag=True, help="Write nothing; list what would change.")
@click.option("--force", is_flag=True, help="Write over generated files that were edited by hand.")
@click.option("--env", "environment", is_flag=True, help="Only print the variables that the files refer to: secrets.")
@click.option("--wait", type=DurationType(), default="10s", metavar="DURATION", help="For another run to end.")
@json_option
@pass_settings
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings,
    out: str | None,
    only: frozenset[str],
    check: bool,
    diff: bool,
    dry_run: bool,
    force: bool,
    environment: bool,
    wait: float,
    as_json: bool,
) -> int:
    """Write everything that Grafana, Prometheus, Loki, Alertmanager, Promtail and Alloy need.

    Only what changed is written. Files that bgmon did not make are never touched; generated ones that were edited by
    hand are written over only with --force.

    \b
    Examples:
      bgmon generate --out monitoring
      bgmon generate --only grafana,prometheus --diff
      bgmon generate --check                       in CI: exit code 1 when someone forgot to generate
      bgmon generate --env > monitoring/.env       the secrets that compose.yaml wants (umask 077 first)
    """
    from monitor.services.generate.generator import carry_out, make_plan

    if sum((check, diff, dry_run, environment)) > 1:
        raise UsageError("--check, --diff, --dry-run and --env exclude each other")
    app = settings.app()
    if environment:
        for name, value in sorted(app.generation.environment().items()):
            write_unmasked(f"{name}={_env_quoted(value)}\n".encode())
        return 0
    root = Path(out) if out else app.folder / app.config.generate.out
    folder = app.generation.output_folder(root)
    sources = app.generation.sources()
    inputs = app.generation.inputs(sources)

    def plan_now() -> Plan:
        return make_plan(lambda: app.generation.rendered(sources), folder, inputs=inputs, only=only, force=force)

    show_notes(app.generation.notes())
    if check or diff or dry_run:
        plan = plan_now()
        _show(plan, root, as_json=as_json, diff=check or diff, quiet=False, written=False)
        return int(plan.drift) if check else 0
    with folder.lock(wait=wait):
        plan = plan_now()
        carry_out(plan, folder)
    _show(plan, root, as_json=as_json, diff=False, quiet=True, written=True)
    return 0


def _show(plan: Plan, root: Path, *, as_json: bool, diff: bool, quiet: bool, written: bool) -> None:
    counts: dict[str, int] = {}
    for change in plan.changes:
        counts[change.fate] = counts.get(change.fate, 0) + 1
    if as_json:
        from monitor.cli.output import emit_json

        files = [{"path": change.path, "fate": change.fate} for change in plan.changes]
        document: dict[str, Any] = {"out": str(root), "written": written, "drift": plan.drift, "counts": counts}
        document["tombstones"] = {kind: list(names) for kind, names in sorted(plan.manifest.tombstones.items())}
        emit_json({**document, "files": files})
        return
    for change in plan.changes:
        if change.fate == "same" or (quiet and change.fate == "new" and counts["new"] > 40):  # noqa: PLR2004
            continue
        click.secho(f"{_WORDS.get(change.fate, change.fate)}: ", fg=_MARKS[change.fate], nl=False)
        click.echo(change.path)
        if diff:
            _print_diff(change.path, change.before, change.after)
    parts = ", ".join(f"{count} {fate}" for fate, count in sorted(counts.items()))
    click.echo(f"{root}: {parts or 'nothing to write'}")


def _print_diff(path: str, before: bytes | None, after: str | None) -> None:
    import difflib  # only where it is shown

    old = (before or b"").decode("utf-8", "replace").splitlines()
    new = (after or "").splitlines()
    name = "/dev/null"
    heads = (name if before is None else f"a/{path}", name if after is None else f"b/{path}")
    for line in difflib.unified_diff(old, new, *heads, lineterm=""):
        color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        click.secho(line, fg=color)


def _env_quoted(value: str) -> str:
    """As Compose's env files want it: single quotes keep everything as it is."""
    return "'" + value.replace("'", "'\\''") + "'"
