"""`bgmon job`: the far end of a command that another host sends."""

from __future__ import annotations

import base64
import json
import os
import sys

import click

from monitor.errors import UsageError


@click.command("job", hidden=True)
def command() -> None:
    """Run a command that another host sends on standard input, with its bgmon.yml, hooks and variables.

    With a deploy, bgmon.yml and the hooks are kept under the state folder, where the daemon on this host can use them.

    \b
    Example:
      ssh vps1 bgmon job < job.json
    """
    from monitor.bootstrap.jobs import adopt
    from monitor.cli.main import main

    try:
        work = json.load(sys.stdin)
        argv = [str(item) for item in work["argv"]]
        hooks = {name: base64.b64decode(data) for name, data in work["hooks"].items()} if work["adopt"] else None
        path = adopt(str(work["project"]), str(work["config"]), hooks)
        os.environ.update(work["environ"], BGMON_HOST=str(work["host"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"this is no job of bgmon: {type(error).__name__}") from None
    try:
        main(["--config", str(path), *argv])
    finally:
        if hooks is None:
            path.unlink(missing_ok=True)
