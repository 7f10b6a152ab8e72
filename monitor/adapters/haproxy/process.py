"""HAProxy as a process of this host, for hosts that have it installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from monitor import masking
from monitor.adapters.haproxy.runner import arguments, check_arguments, words
from monitor.errors import ProxyError

ACCESS_LOG: Final = "access.log"
ERROR_LOG: Final = "error.log"
_PID_FILE: Final = "haproxy.pid"
_CHECK_TIMEOUT: Final = 60.0
_STOP_TIMEOUT: Final = 10.0
_TAIL: Final = 8192


class ProcessRunner:
    """It writes the access log to access.log in its folder and its own messages to error.log; both are appended to."""

    def __init__(self, folder: Path, binary: str) -> None:
        self._folder = folder
        self._binary = binary
        self._marked = 0

    def check(self, folder: Path) -> str:
        command = check_arguments(self._program(), folder)
        try:
            done = subprocess.run(  # noqa: S603 - the program that bgmon.yml names
                command, capture_output=True, text=True, errors="replace", timeout=_CHECK_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProxyError(f"{self._binary} -c: {error}") from None
        return (words(done.stdout + done.stderr) or f"exit code {done.returncode}") if done.returncode else ""

    def start(self) -> None:
        program = self._program()
        self.mark()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self._folder / ACCESS_LOG), flags, 0o640),
            (os.POSIX_SPAWN_OPEN, 2, str(self._folder / ERROR_LOG), flags, 0o640),
        ]
        try:
            # Not subprocess: the proxy outlives us, and Popen warns of a child that does.
            pid = os.posix_spawn(
                program, arguments(program, self._folder), os.environ, file_actions=actions, setsid=True
            )
            (self._folder / _PID_FILE).write_text(f"{pid}\n")
        except OSError as error:
            raise ProxyError(f"{self._binary}: {error.strerror}") from None

    def alive(self) -> bool:
        pid = self._pid()
        return pid is not None and _is_haproxy(pid, self._folder)

    def mark(self) -> None:
        with contextlib.suppress(OSError):
            self._marked = (self._folder / ERROR_LOG).stat().st_size

    def complaints(self) -> str:
        with contextlib.suppress(OSError):
            text = (self._folder / ERROR_LOG).read_bytes()[self._marked :].decode(errors="replace")
            return words(masking.clean(text)[-_TAIL:])
        return ""

    def stop(self) -> None:
        pid = self._pid()
        if pid is None or not _is_haproxy(pid, self._folder):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            until = time.monotonic() + _STOP_TIMEOUT
            while time.monotonic() < until:
                if not _is_haproxy(pid, self._folder):
                    return
                time.sleep(0.02)

    def outdated(self) -> bool:
        return False  # a reload runs the program on disk anyway

    def replace(self) -> str:
        raise ProxyError("a process is reloaded, not replaced")

    def retire(self) -> None:
        raise ProxyError("a process is reloaded, not replaced")

    def _program(self) -> str:
        found = shutil.which(self._binary)
        if found is None:
            raise ProxyError(
                f"{self._binary}: there is no such program",
                hint="install haproxy, name it with proxy.binary, or set proxy.run: container",
            )
        return found

    def _pid(self) -> int | None:
        try:
            pid = int((self._folder / _PID_FILE).read_text())
        except (OSError, ValueError):
            return None
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # reaps it when it is our own child
        return pid


def _is_haproxy(pid: int, folder: Path) -> bool:
    """Whether that process is the one started for `folder`, and not another that got its number."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    # It is empty for a moment whenever the master starts itself over.
    return state != "Z" and (not command or str(folder).encode() in command.split(b"\0"))
