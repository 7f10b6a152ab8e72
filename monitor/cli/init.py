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
@click.option("-o", "--output", default="bgmon.yml", show_default=True, type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--dry-run", is_flag=True, help="Print it instead of writing it.")
@json_option
def command(compose: str | None, output: str, force: bool, dry_run: bool, as_json: bool) -> None:
    """Write a first, commented bgmon.yml.

    \b
    Examples:
      bgmon init
      bgmon init --from-compose compose.yaml
    """
    from monitor.config.compose import from_compose
    from monitor.config.starter import starter

    target = Path(output)
    text, notes = from_compose(Path(compose)) if compose is not None else (starter(target.resolve().parent.name), [])
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
