"""Running a command of bgmon on another host, over the system's own ssh.

The job goes in by standard input, never on a command line, since it may hold secrets. What comes back is what the
command prints there, line by line, and its exit code.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Final

from monitor.errors import UnreachableError

_SSH_FAILED: Final = 255  # ssh(1): "exits with the exit status of the remote command or with 255 if an error occurred"
_COMMAND_NOT_FOUND: Final = 127


def run_on(
    target: str,
    job: Mapping[str, Any],
    on_line: Callable[[str], None],
    *,
    options: Sequence[str] = (),
    program: str = "bgmon",
) -> int:
    """Run a job on `target` (`user@host`, or `ssh://user@host:port`); the command's exit code.

    Raises:
        UnreachableError: ssh could not connect, or there is no bgmon on the host.
    """
    argv = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *options, "--", target, program, "job"]
    try:
        process = subprocess.Popen(  # noqa: S603 - ssh, with what bgmon.yml says
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise UnreachableError(f"ssh cannot be started: {error.strerror}", hint="install the OpenSSH client") from None
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    listener = threading.Thread(target=_pass_on, args=(process.stderr, said))
    listener.start()
    try:
        _feed(process.stdin, json.dumps(job))
        for line in process.stdout:
            on_line(line.rstrip("\n"))
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        listener.join()
        process.stdout.close()
        process.stderr.close()
    if code == _SSH_FAILED:
        raise UnreachableError(f"{target}: {' '.join(said) or 'ssh failed'}", hint=f"try by hand: ssh {target} true")
    if code == _COMMAND_NOT_FOUND:
        raise UnreachableError(
            f"{target}: there is no {program}", hint="install bgmon there, or set hosts.NAME.program"
        )
    return code


def _feed(stdin: IO[str], text: str) -> None:
    try:
        stdin.write(text)
        stdin.close()
    except BrokenPipeError:
        return  # it ended before it read the job; its exit code says why


def _pass_on(stream: IO[str], said: list[str]) -> None:
    for line in stream:
        said.append(line.strip())
        sys.stderr.write(line)
