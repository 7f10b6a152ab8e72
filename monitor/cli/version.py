"""`bgmon version`."""

from __future__ import annotations

import platform

import click

from monitor import __version__
from monitor.cli.context import json_option
from monitor.cli.output import emit_json


@click.command("version")
@json_option
def command(as_json: bool) -> None:
    """Print the version.

    \b
    Example:
      bgmon version --json
    """
    if as_json:
        emit_json({"version": __version__, "python": platform.python_version()})
    else:
        click.echo(f"bgmon {__version__} (Python {platform.python_version()})")
