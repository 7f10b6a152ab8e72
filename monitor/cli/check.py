"""`bgmon check`."""

from __future__ import annotations

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json


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
    if as_json:
        emit_json({"file": str(app.config_file), "ok": True, "services": sorted(app.config.services)})
    else:
        click.echo(f"{app.config_file}: ok, {len(app.config.services)} service(s)")
