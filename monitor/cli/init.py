"""`bgmon init`."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.cli.context import json_option
from monitor.cli.output import emit_json
from monitor.errors import UsageError


@click.command("init")
@click.option(
    "--from-compose", "compose", type=click.Path(dir_okay=False), metavar="FILE", help="Start from its services."
)
@click.option(
    "--from-kamal",
    "kamal",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Start from Kamal's config/deploy.yml.",
)
@click.option("--destination", metavar="NAME", help="With --from-kamal: also read its deploy.NAME.yml.")
@click.option("-o", "--output", default="bgmon.yml", show_default=True, type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--dry-run", is_flag=True, help="Print it instead of writing it.")
@json_option
def command(  # noqa: PLR0917 - click passes them by name
    compose: str | None,
    kamal: str | None,
    destination: str | None,
    output: str,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write a first, commented bgmon.yml.

    \b
    Examples:
      bgmon init
      bgmon init --from-compose compose.yaml
      bgmon init --from-kamal config/deploy.yml
    """
    from monitor.config.compose import from_compose
    from monitor.config.kamal import from_kamal
    from monitor.config.starter import starter

    target = Path(output)
    if compose is not None and kamal is not None:
        raise UsageError("--from-compose and --from-kamal exclude each other")
    if destination is not None and kamal is None:
        raise UsageError("--destination goes with --from-kamal")
    if kamal is not None:
        text, notes = from_kamal(Path(kamal), destination)
    elif compose is not None:
        text, notes = from_compose(Path(compose))
    else:
        text, notes = starter(target.resolve().parent.name), []
    if dry_run:
        click.echo(text, nl=False)
        return
    if target.exists() and not force:
        raise UsageError(f"{target} exists already", hint="overwrite it with --force, or write to another with -o")
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}") from None
    if as_json:
        emit_json({"file": str(target), "notes": notes})
        return
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(f"{target} is written. Next: edit it, then run: bgmon check")
