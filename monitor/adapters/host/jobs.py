"""Commands that another host sent: those that go on when their caller is cut off, and those that end with it.

A lasting job has a folder: `out` and `err` hold what it printed, `exit` its exit code once it ended, `pid` its process.
The job's process holds a lock on `lock`: whoever finds it free knows that the job has ended, however it ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from monitor.adapters.host.locks import try_flock
from monitor.domain.remotejob import text_of
from monitor.errors import StateError

Tell = Callable[..., None]
_POLL: Final = 0.05
_KEPT: Final = 50
_PIECE: Final = 65536


class Jobs:
    """The lasting jobs of one host, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, job: str, command: Callable[[], int]) -> bool:
        """Run `command` in a process of its own; False, without doing anything, when there is such a job already."""
        place = self._folder / job
        if place.exists():
            return False
        draft = self._folder / f".{job}.{os.getpid()}"
        try:
            draft.mkdir(parents=True, mode=0o700)
            self._prune()
            lock = os.open(draft / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            out, err = (_fresh(draft / name) for name in ("out", "err"))
        except OSError as error:
            raise StateError(f"{self._folder}: {error.strerror}", hint="is the disk full?") from None
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            draft.rename(place)  # with its lock held: nobody ever sees a job that seems to have ended before it began
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            for descriptor in (lock, out, err):
                os.close(descriptor)
            return False
        _fork(command, out, err, keep=lock, ended=lambda code: _write(place / "exit", str(code)), note=place / "pid")
        for descriptor in (lock, out, err):
            os.close(descriptor)
        return True

    def follow(self, job: str, out: int, err: int, tell: Tell) -> None:
        """Tell what a job prints, from these offsets on, and at last its exit code."""
        place = self._folder / job
        if not place.exists():
            tell(exit=None, unknown=True)
            return
        readers = {"out": _Tail(place / "out", out), "err": _Tail(place / "err", err)}
        while True:
            running = _held(place / "lock")
            for name, reader in readers.items():
                for text, at in reader.lines(last=not running):
                    tell(**{name: text, "at": at})
            if not running:
                break
            time.sleep(_POLL)
        try:
            code: int | None = int((place / "exit").read_text())
        except (OSError, ValueError):
            code = None
        tell(exit=code)

    def cancel(self, job: str) -> bool:
        """Ask a running job to come to an orderly end; whether it runs."""
        place = self._folder / job
        if not _held(place / "lock"):
            return False
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((place / "pid").read_text()), signal.SIGTERM)
        return True

    def _prune(self) -> None:
        ended = [place for place in self._folder.glob("[!.]*") if not _held(place / "lock")]
        for place in sorted(ended, key=lambda place: place.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(place, ignore_errors=True)


class _Tail:
    """Whole lines of a file that grows, and where the next one begins."""

    def __init__(self, path: Path, at: int) -> None:
        self._path = path
        self._at = at

    def lines(self, *, last: bool) -> Iterator[tuple[str, int]]:
        with self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n") and not last:
                    return
                self._at += len(line)
                yield text_of(line), self._at


def run_attached(command: Callable[[], int], caller: int, tell: Tell) -> None:
    """Run `command` in a process of its own, tell what it prints; it ends when descriptor `caller` is closed."""
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    child = _fork(command, out_end, err_end, ended=lambda _code: None)
    os.close(out_end)
    os.close(err_end)
    rest = {"out": b"", "err": b""}
    with selectors.DefaultSelector() as selector:
        for descriptor, name in ((out, "out"), (err, "err"), (caller, "")):
            selector.register(descriptor, selectors.EVENT_READ, name)
        open_ = {"out", "err"}
        try:
            while open_:
                for key, _ in selector.select():
                    piece = os.read(key.fd, _PIECE)
                    if not key.data:
                        if not piece:
                            selector.unregister(key.fd)
                            _end(child)
                        continue
                    *lines, rest[key.data] = (rest[key.data] + piece).split(b"\n")
                    for line in lines:
                        tell(**{key.data: text_of(line) + "\n"})
                    if not piece:
                        selector.unregister(key.fd)
                        open_.discard(key.data)
        except BrokenPipeError:
            _end(child)
            raise
    os.close(out)
    os.close(err)
    for name, left in rest.items():
        if left:
            tell(**{name: text_of(left)})
    tell(exit=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _end(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        try:
            os.killpg(child, signal.SIGTERM)
        except ProcessLookupError:  # it has not become a group yet
            os.kill(child, signal.SIGTERM)


def _fork(
    command: Callable[[], int],
    out: int,
    err: int,
    *,
    ended: Callable[[int], Any],
    keep: int | None = None,
    note: Path | None = None,
) -> int:
    """A child in a session of its own that writes to `out` and `err`; `keep` stays open in it alone."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _be_child(command, out, err, ended=ended, keep=keep, note=note)
    return child


def _be_child(
    command: Callable[[], int],
    out: int,
    err: int,
    *,
    ended: Callable[[int], Any],
    keep: int | None,
    note: Path | None,
) -> NoReturn:
    code = 1
    try:
        with contextlib.suppress(OSError):
            os.setsid()
        if note is not None:
            _write(note, str(os.getpid()))
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        for descriptor in {nothing, out, err} - {0, 1, 2, keep}:
            os.close(descriptor)
        code = command()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - the process ends here, and says why
        with contextlib.suppress(Exception):
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
    finally:
        with contextlib.suppress(Exception):
            ended(code)
        os._exit(code)


def _fresh(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(text)
    draft.rename(path)


def _held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not try_flock(descriptor)
    finally:
        os.close(descriptor)
