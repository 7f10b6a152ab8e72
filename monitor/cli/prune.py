"""`bgmon prune`."""

from __future__ import annotations

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json


@click.command("prune")
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Earlier releases to keep of each service.")
@click.option("--force", is_flag=True, help="Also orphaned containers that run.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
@pass_settings
def command(settings: Settings, keep: int | None, force: bool, dry_run: bool, as_json: bool) -> None:
    """Remove old images and orphaned containers of this project.

    Only what bgmon's own labels and records name is touched; images that another container uses stay.

    \b
    Examples:
      bgmon prune --dry-run
      bgmon prune --keep 2
    """
    from monitor.services.deploy.prune import prune_project  # noqa: PLC0415

    app = settings.app()
    gone = prune_project(app.deps(lambda _event: None), keep=keep, dry_run=dry_run, force=force)
    if as_json:
        emit_json({"dry_run": dry_run, **gone})
        return
    verb = "would remove" if dry_run else "removed"
    for kind, names in gone.items():
        for name in names:
            click.echo(f"{verb} {kind.removesuffix('s')} {name}")
    if not any(gone.values()):
        click.echo("nothing to remove")
