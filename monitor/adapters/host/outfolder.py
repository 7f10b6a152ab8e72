"""Generated files on disk."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.adapters.host.locks import try_flock
from monitor.domain.printable import printable
from monitor.errors import GenerateError, LockedError

_POLL: Final = 0.05
_FILE_MODE: Final = 0o644  # servers that run as other users must be able to read them; there are no secrets in them


class DiskFolder:
    """A folder that is made when something is first written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: set[Path] = set()

    @contextlib.contextmanager
    def lock(self, *, wait: float) -> Iterator[None]:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            # The folder itself is locked, so that no lock file lies among what people keep in git.
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._failed(error, self._root) from None
        try:
            deadline = time.monotonic() + wait
            while not try_flock(descriptor):
                if time.monotonic() >= deadline:
                    raise LockedError(f"{self._root}: another bgmon generate is at work", hint="wait for it to end")
                time.sleep(_POLL)
            yield
        finally:
            os.close(descriptor)

    def read(self, path: str) -> bytes | None:
        target = self._inside(path)
        try:
            return target.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failed(error, self._root / path, verb="read") from None

    def write(self, path: str, content: bytes) -> None:
        target = self._inside(path)
        temporary = ""
        try:
            if target.parent not in self._made:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._made.add(target.parent)
            descriptor, temporary = tempfile.mkstemp(prefix=".bgmon-", dir=target.parent)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), _FILE_MODE)
                file.write(content)
            os.replace(temporary, target)  # noqa: PTH105 - a plain string from mkstemp
        except OSError as error:
            if temporary:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
            raise self._failed(error, target) from None

    def remove(self, path: str) -> None:
        target = self._inside(path)
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error, target) from None
        for folder in target.parents:
            if folder == self._root:
                break
            try:
                folder.rmdir()
            except OSError:
                break
            self._made.discard(folder)

    def _inside(self, path: str) -> Path:
        """The file at `path`. The folder is in git: a pull request may bring links, and any path in the manifest."""
        target = self._root / path
        try:
            inside = target.resolve().is_relative_to(self._root.resolve())
        except (OSError, RuntimeError, ValueError):  # links in a circle, NUL in the name
            inside = False
        if not inside or ".." in target.parts[len(self._root.parts) :]:
            raise GenerateError(
                f"{printable(path)}: leads out of {self._root}", hint="remove the link, or the path from the manifest"
            )
        return target

    def _failed(self, error: OSError, path: Path, *, verb: str = "written") -> GenerateError:
        return GenerateError(
            f"{path}: cannot be {verb}: {error.strerror}", hint="name a folder that you may write to with --out"
        )
