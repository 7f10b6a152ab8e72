"""Running a command of bgmon on another host, over the system's own ssh.

The job goes in by standard input, never on a command line, since it may hold secrets. A job with an id goes on there
when the connection is cut; it is sent again until the host answers, and the host runs it once (domain/remotejob.py).
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monitor import __version__
from monitor.adapters.ssh.command import ssh
from monitor.adapters.ssh.failures import explain
from monitor.domain.remotejob import PROTOCOL, parsed
from monitor.errors import UnreachableError, UsageError

_SSH_FAILED: Final = 255  # ssh(1): "exits with the exit status of the remote command or with 255 if an error occurred"
_COMMAND_NOT_FOUND: Final = 127
_WRONG_USAGE: Final = 2

OnPiece = Callable[[str, str], None]
"""Is told `out` or `err`, and a piece of what the command printed there, newline included."""


@dataclass(frozen=True, slots=True)
class Address:
    """How a host is reached, as bgmon.yml has it."""

    name: str
    target: str
    options: tuple[str, ...] = ()
    jump: str | None = None
    program: str = "bgmon"


class Connections:
    """A folder for connections that several commands share; they end with it."""

    def __init__(self) -> None:
        # A socket's path may have 107 characters, so it is not where TMPDIR may point to.
        self._folder = tempfile.TemporaryDirectory(prefix="bgmon-", dir="/tmp", ignore_cleanup_errors=True)
        self.path = Path(self._folder.name)

    def close(self) -> None:
        for socket in self.path.iterdir():
            subprocess.run(  # noqa: S603 - ssh, with a path of our own
                ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "bgmon"],  # noqa: S607 - the user's own ssh
                capture_output=True,
                check=False,
                timeout=10,
            )
        self._folder.cleanup()


class _Cut(Exception):
    """The connection ended before the job did."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text)
        self.hint = hint


def _upgrade(name: str) -> str:
    return f"on {name}: pip install --upgrade bgmon=={__version__}, then restart its daemon"


class _UnknownJob(UnreachableError):
    """The host never got it."""


class RemoteHost:
    """Commands on one host.

    Args:
        address: how it is reached.
        shared: where its connection is shared with other commands; None opens one for each.
        patience: seconds for which the host may be silent while a lasting job is under way.
    """

    def __init__(self, address: Address, *, shared: Path | None = None, patience: float = 90.0) -> None:
        self._address = address
        self._shared = shared
        self._patience = patience

    def run(self, job: Mapping[str, Any], on_piece: OnPiece, *, stop: threading.Event | None = None) -> int:
        """Run a job to its end; the command's exit code.

        Args:
            job: what `bgmon job` takes; with an `id`, it outlives the connection.
            on_piece: is told what it prints.
            stop: when it is set, the command is asked to come to an orderly end.

        Raises:
            UnreachableError: the host cannot be reached, has no bgmon, or was silent for too long.
            UsageError: its bgmon is older than this one.
        """
        work = {"op": "run", "version": __version__, "at": [0, 0], **job}
        lasting = work.get("id") is not None
        silent_since: float | None = None
        while True:
            began = list(work["at"])
            try:
                return self._once(work, on_piece, stop, first=silent_since is None)
            except _Cut as cut:
                now = time.monotonic()
                if silent_since is None or work["at"] != began:
                    silent_since = now
                if not lasting or now - silent_since > self._patience or (stop is not None and stop.is_set()):
                    raise self._unreachable(str(cut), cut.hint, lasting=lasting) from None
                time.sleep(min(5.0, 0.5 + (now - silent_since) / 5))

    def follow(self, job: str, on_piece: OnPiece) -> int | None:
        """What a lasting job prints, from its begin; its exit code, None when the host has no such job."""
        try:
            return self.run({"op": "follow", "id": job}, on_piece)
        except _UnknownJob:
            return None

    def _unreachable(self, text: str, hint: str, *, lasting: bool) -> UnreachableError:
        name = self._address.name
        if lasting:
            text += "; what was begun there goes on, and how it ends is not known"
            hint = f"when it answers again: bgmon -H {name} deploy --resume, and bgmon -H {name} status"
        return UnreachableError(f"{name}: {text}", hint=hint)

    def _once(self, work: dict[str, Any], on_piece: OnPiece, stop: threading.Event | None, *, first: bool) -> int:
        address = self._address
        argv = ssh(
            address.target,
            [address.program, "job", "--protocol", str(PROTOCOL)],
            options=address.options,
            jump=address.jump,
            shared=self._shared,
        )
        try:
            process = subprocess.Popen(  # noqa: S603 - ssh, with what bgmon.yml says
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us: the command is to come to an orderly end
            )
        except OSError as error:
            raise UnreachableError(
                f"ssh cannot be started: {error.strerror}", hint="install the OpenSSH client"
            ) from None
        session = _Session(process)
        with session, self._stopping(work, stop, session):
            code = session.converse(work, on_piece)
        if session.refused:
            raise UsageError(
                f"{address.name}: {session.refused}: the caller must not be newer than the host",
                hint=_upgrade(address.name),
            )
        if session.ended:
            if code is None:
                raise self._lost(work, unknown=session.unknown)
            return code
        raise self._broken(session, first=first)

    def _lost(self, work: Mapping[str, Any], *, unknown: bool) -> UnreachableError:
        name = self._address.name
        if unknown:
            return _UnknownJob(f"{name}: it has no job {work.get('id')}", hint="it was never begun there")
        return UnreachableError(
            f"{name}: the command was killed there before it ended",
            hint=f"bgmon -H {name} deploy --resume settles what it left",
        )

    def _broken(self, session: _Session, *, first: bool) -> Exception:
        """Why a conversation ended without an exit code."""
        address, code = self._address, session.code
        said = " ".join(session.said)
        if code == _SSH_FAILED:
            failure = explain("\n".join(session.said), address.target)
            if failure.final or (first and failure.never_began and not session.greeted):
                return UnreachableError(f"{address.name}: {failure.text}", hint=failure.hint)
            return _Cut(failure.text, failure.hint)
        if code == _COMMAND_NOT_FOUND:
            return UnreachableError(
                f"{address.name}: there is no {address.program}",
                hint=f"install bgmon {__version__} there, or set hosts.{address.name}.program to where it is",
            )
        if code == _WRONG_USAGE and "--protocol" in said:
            return UsageError(
                f"{address.name}: its bgmon is older than this one ({__version__})",
                hint=_upgrade(address.name),
            )
        if code is not None and code > 0 and not session.greeted:
            return UnreachableError(
                f"{address.name}: bgmon cannot be run there (exit code {code}): {said[-500:] or 'it said nothing'}",
                hint=f"try by hand: ssh {address.target} {address.program} version",
            )
        return _Cut(f"the connection was lost ({said[-200:] or 'without a word'})", "try again")

    @contextlib.contextmanager
    def _stopping(self, work: Mapping[str, Any], stop: threading.Event | None, session: _Session) -> Any:
        """While the block runs, pass the wish to stop on, once."""
        over = threading.Event()

        def watch() -> None:
            assert stop is not None
            while not over.is_set():
                if stop.wait(0.1):
                    if work.get("id") is None:
                        session.hang_up()
                    else:
                        with contextlib.suppress(UnreachableError, UsageError):
                            cancel = {"op": "cancel", "id": work["id"]}
                            RemoteHost(self._address, shared=self._shared).run(cancel, _ignore)
                    return

        watcher = threading.Thread(target=watch) if stop is not None and work.get("op") != "cancel" else None
        if watcher is not None:
            watcher.start()
        try:
            yield
        finally:
            over.set()
            if watcher is not None:
                watcher.join()


def _ignore(_stream: str, _piece: str) -> None:
    """For commands that print nothing of interest."""


class _Session:
    """One conversation with `bgmon job`. `said` is what came on standard error: ssh's own words."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.said: list[str] = []
        self.greeted = self.ended = self.unknown = False
        self.refused = ""
        self.code: int | None = None
        self._listener = threading.Thread(target=self._listen)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._listener.start()

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        if self._process.poll() is None:
            self._process.kill()
        self.code = self._process.wait()
        self._listener.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def converse(self, work: dict[str, Any], on_piece: OnPiece) -> int | None:
        """Send the job, pass on what comes; the exit code. `work["at"]` is moved on, for the next try."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(work).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended before it read the job; its exit code says why
        for line in self._process.stdout:
            content = parsed(line)
            if content is None:
                continue
            if "hello" in content:
                self.greeted = True
            for number, stream in enumerate(("out", "err")):
                if stream in content:
                    if "at" in content:
                        work["at"][number] = content["at"]
                    on_piece(stream, content[stream])
            if "exit" in content:
                self.ended, self.unknown = True, bool(content.get("unknown"))
                self.refused = str(content.get("refused", ""))
                code = content["exit"]
                return None if code is None else int(code)
        return None

    def hang_up(self) -> None:
        """No more will come from us: a command that is not lasting ends with it."""
        assert self._process.stdin is not None
        with self._lock, contextlib.suppress(OSError):
            self._process.stdin.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line.decode(errors="replace").strip())
            del self.said[:-50]
