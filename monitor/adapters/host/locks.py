"""flock(2) locks: one file a name; the kernel lets go of a lock when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.errors import LockedError, StateError

_POLL: Final = 0.05
_GRACE: Final = 0.25  # asking whether a lock is held takes it for a moment: flock knows no other way
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class FileLocks:
    """Locks of one project, as files in `folder`; their content only serves the message to whoever waits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def acquire(self, name: str, *, wait: float, purpose: str) -> Iterator[None]:
        # flock has no time-out of its own, and a signal-based one would not work outside the main thread.
        descriptor = self._open(name)
        try:
            deadline = time.monotonic() + max(wait, _GRACE)
            while not try_flock(descriptor):
                if time.monotonic() >= deadline:
                    raise LockedError(
                        f"{name} is being changed: {_holder(descriptor)}",
                        hint="wait for it to end, or try again with --wait 5m",
                    )
                time.sleep(_POLL)
            _sign(descriptor, purpose)
            yield
        finally:
            os.close(descriptor)  # lets go of the lock

    def held(self, name: str) -> bool:
        descriptor = self._open(name)
        try:
            return not try_flock(descriptor)
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Close-on-exec: a child that inherited the descriptor would keep the lock after our death.
            return os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"{self._folder}: {error.strerror}", hint="choose a writable folder with state.dir, or BGMON_STATE_DIR"
            ) from None


def try_flock(descriptor: int) -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int, purpose: str) -> None:
    boot = _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""
    holder = {"pid": os.getpid(), "boot": boot, "who": who(), "purpose": purpose, "since": time.time()}
    with contextlib.suppress(OSError):  # a full disk: it only serves the message
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        seconds = max(0, round(time.time() - holder["since"]))
        return f"{holder['purpose']} by {holder['who']} (pid {holder['pid']}), for {seconds} s"
    except (ValueError, KeyError, TypeError):
        return "by another process"


def who() -> str:
    """Who runs this: the CI system's actor where there is one, else the user behind sudo, else the user."""
    for variable in ("BGMON_WHO", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "SUDO_USER"):
        name = os.environ.get(variable, "").strip()
        if name:
            return name[:80]
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return f"uid {os.getuid()}"
