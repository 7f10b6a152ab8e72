"""`bgmon prune`."""

from __future__ import annotations

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.cli.remote import documents, on_hosts


@click.command("prune")
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Earlier releases to keep of each service.")
@click.option("--force", is_flag=True, help="Also orphaned containers that run.")
@click.option(
    "--id", "ids", multiple=True, metavar="CONTAINER", help="Remove this one, though only its labels are ours."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
@pass_settings
@on_hosts(documents())
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings, keep: int | None, force: bool, ids: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Remove old images and orphaned containers of this project.

    Only containers that bgmon made are touched, which its record says; images that another container uses stay. One
    that only carries our labels (a copy, or any of them when the state was lost) is named, and goes with --id: then
    nothing else does.

    \b
    Examples:
      bgmon prune --dry-run
      bgmon prune --keep 2
      bgmon prune --id 0d3f5a7c91b2
    """
    from monitor.services.deploy.prune import prune_chosen, prune_project

    deps = settings.app().deps(lambda _event: None)
    if ids:
        gone = prune_chosen(deps, ids, dry_run=dry_run)
    else:
        gone = prune_project(deps, keep=keep, dry_run=dry_run, force=force)
    if as_json:
        emit_json({"dry_run": dry_run, **gone})
        return
    verb = "would remove" if dry_run else "removed"
    for name in gone.pop("left_alone", []):
        click.echo(f"left alone: {name} carries our labels, but bgmon did not make it (bgmon prune --id ID)", err=True)
    for kind, names in gone.items():
        for name in names:
            click.echo(f"{verb} {kind.removesuffix('s')} {name}")
    if not any(gone.values()):
        click.echo("nothing to remove")
