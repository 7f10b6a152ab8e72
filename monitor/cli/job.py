"""`bgmon job`: the far end of a command that another host sends."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from monitor import __version__
from monitor.domain.remotejob import PROTOCOL, frame, is_id, older
from monitor.errors import BgmonError, UsageError

_NOT_OURS = "this is no job of bgmon"


@click.command("job", hidden=True)
@click.option("--protocol", type=int, required=True)
def command(protocol: int) -> None:
    """Run a command that another host sends on standard input, with its bgmon.yml, hooks and variables.

    With a deploy, bgmon.yml and the hooks are kept under the state folder, where the daemon on this host can use them.

    \b
    Example:
      ssh vps1 bgmon job --protocol 2 < job.json
    """
    if protocol > PROTOCOL:
        raise UsageError(f"this host has bgmon {__version__}, which is too old for its caller")
    try:
        work = json.loads(sys.stdin.buffer.readline())
        _serve(work, work["op"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{_NOT_OURS}: {type(error).__name__}") from None
    except BrokenPipeError:
        os._exit(0)  # the caller is gone; a lasting job goes on


def _serve(work: Mapping[str, Any], op: str) -> None:
    from monitor.adapters.host.jobs import run_attached
    from monitor.bootstrap.jobs import lasting_jobs

    _tell(hello=__version__)
    job = work.get("id")
    if job is not None and not is_id(str(job)):
        raise UsageError(_NOT_OURS)
    if op == "cancel":
        _tell(exit=0 if lasting_jobs().cancel(str(job)) else 1)
    elif op == "follow":
        _follow(str(job), work)
    elif op == "run":
        if older(__version__, than=str(work["version"])):
            _refuse(str(work["version"]))
        elif job is None:
            run_attached(lambda: _run(work), 0, _tell)
        else:
            lasting_jobs().start(str(job), lambda: _run(work))
            _follow(str(job), work)
    else:
        raise UsageError(_NOT_OURS)


def _follow(job: str, work: Mapping[str, Any]) -> None:
    from monitor.bootstrap.jobs import lasting_jobs

    out, err = work["at"]
    lasting_jobs().follow(job, int(out), int(err), _tell)


def _refuse(version: str) -> None:
    _tell(refused=f"it has bgmon {__version__}, and this is {version}", exit=2)


def _tell(**content: Any) -> None:
    sys.stdout.buffer.write(frame(**content))
    sys.stdout.buffer.flush()


def _run(work: Mapping[str, Any]) -> int:
    """In the child: the command itself."""
    from monitor.bootstrap.jobs import adopt
    from monitor.cli.main import main
    from monitor.cli.output import report_error

    argv = [str(item) for item in work["argv"]]
    hooks = {name: base64.b64decode(data) for name, data in work["hooks"].items()} if work["adopt"] else None
    try:
        path = adopt(str(work["project"]), str(work["config"]), hooks, str(work["host"]))
    except BgmonError as error:
        report_error(error, as_json="--json" in argv)
        return error.exit_code
    os.environ.update(work["environ"], BGMON_HOST=str(work["host"]), BGMON_WHO=str(work["who"]))
    try:
        main(["--config", str(path), *argv])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    finally:
        if hooks is None:
            path.unlink(missing_ok=True)
    return 0
