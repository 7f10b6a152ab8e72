"""`bgmon check`."""

from __future__ import annotations

import click

from monitor import masking
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json, noted_json, show_notes
from monitor.domain.spellings import SHORTEST


@click.command("check")
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """Check bgmon.yml: every key, type, value and reference, and own rules and boards with their queries.

    What would be generated but cannot do all that it says is told as a note, with file and line.

    \b
    Examples:
      bgmon check
      bgmon -c staging.yml check --json
    """
    app = settings.app()
    app.generation.sources()
    notes, short = app.generation.notes(), masking.short()
    if as_json:
        document = {"file": str(app.config_file), "ok": True, "services": sorted(app.config.services)}
        emit_json({**document, "notes": noted_json(notes), "unmasked_secrets": short})
    else:
        show_notes(notes)
        for name in short:
            click.echo(f"note: the secret {name} has fewer than {SHORTEST} characters and is not masked in messages")
        click.echo(f"{app.config_file}: ok, {len(app.config.services)} service(s)")
