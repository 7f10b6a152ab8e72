"""`bgmon check`."""

from __future__ import annotations

import click

from monitor import masking
from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.domain.spellings import SHORTEST


@click.command("check")
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """Check bgmon.yml: every key, type, value and reference.

    \b
    Examples:
      bgmon check
      bgmon -c staging.yml check --json
    """
    app = settings.app()
    short = masking.short()
    if as_json:
        services = sorted(app.config.services)
        emit_json({"file": str(app.config_file), "ok": True, "services": services, "unmasked_secrets": short})
    else:
        for name in short:
            click.echo(f"note: the secret {name} has fewer than {SHORTEST} characters and is not masked in messages")
        click.echo(f"{app.config_file}: ok, {len(app.config.services)} service(s)")
