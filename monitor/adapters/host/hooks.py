"""Hooks: executables under .bgmon/hooks that the project brings along."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from monitor import masking
from monitor.errors import HookFailed

HOOKS: Final = ("pre-deploy", "pre-switch", "post-deploy", "on-failure", "dns-01")
_MAX_OUTPUT: Final = 64 * 1024
_SHOWN_LINES: Final = 15


class HookFolder:
    """The Hooks port on one folder. Hooks run in `cwd`, in a process group of their own, with no standard input."""

    def __init__(self, folder: Path, cwd: Path) -> None:
        self._folder = folder
        self._cwd = cwd

    def run(self, name: str, environ: Mapping[str, str], *, timeout: float) -> str | None:
        path = self._folder / name
        if not path.exists():
            return None
        try:
            process = subprocess.Popen(  # noqa: S603 - running the project's own hook is the point
                [str(path)],
                cwd=self._cwd,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that a time-out reaches what the hook started, too
            )
        except PermissionError:
            raise HookFailed(f"hook {name} could not be started: permission denied", hint=f"chmod +x {path}") from None
        except (OSError, ValueError) as error:
            raise HookFailed(f"hook {name} could not be started: {getattr(error, 'strerror', None) or error}") from None
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise HookFailed(
                f"hook {name} did not end within {timeout:g} s", hint="raise deploy.hook_timeout, or mend the hook"
            ) from None
        except BaseException:
            _kill(process)
            raise
        text = masking.clean(output.decode(errors="replace"))[-_MAX_OUTPUT:]
        if process.returncode:
            shown = "\n".join(f"  | {line}" for line in text.splitlines()[-_SHOWN_LINES:])
            raise HookFailed(f"hook {name} ended with exit code {process.returncode}" + (f"\n{shown}" if shown else ""))
        return text

    def check(self) -> list[str]:
        problems: list[str] = []
        for path in sorted(self._folder.glob("*")):
            if path.name.startswith(".") or path.name.endswith("~"):
                continue
            if path.name not in HOOKS:
                problems.append(f"{path} is no hook's name: {', '.join(HOOKS)}")
            elif not path.exists():
                problems.append(f"{path} points nowhere")
            elif not os.access(path, os.X_OK):
                problems.append(f"{path} is not executable: chmod +x {path}")
        return problems


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()  # not read to its end: a grandchild that left the group may still hold it
    process.wait()
