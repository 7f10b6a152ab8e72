"""`bgmon doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.cli.remote import documents, on_hosts

_MARKS: Final = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "error": ("✘", "red")}


@click.command("doctor")
@json_option
@pass_settings
@on_hosts(documents())
def command(settings: Settings, as_json: bool) -> int:
    """Examine this host and say what is wrong and how to mend it.

    Exit code 1 when something is an error.

    \b
    Example:
      bgmon doctor
    """
    from monitor.services.deploy.doctor import examine

    app = settings.app()
    findings = examine(app.deps(lambda _event: None), sorted(app.specs))
    if as_json:
        emit_json({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark, color = _MARKS[finding.level]
            click.echo(f"{click.style(mark, fg=color)} {finding.check}: {finding.text}")
            if finding.hint:
                click.echo(f"    -> {finding.hint}")
    return int(any(finding.level == "error" for finding in findings))
