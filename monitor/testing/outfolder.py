"""An output folder in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from monitor.errors import GenerateError, LockedError


class FakeFolder:
    """`files` is what it holds; with `read_only` every write fails."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = dict(files or {})
        self.read_only = False
        self.written: list[str] = []
        self._locked = False

    @contextlib.contextmanager
    def lock(self, *, wait: float) -> Iterator[None]:
        del wait
        if self._locked:
            raise LockedError("another bgmon generate is at work")
        self._locked = True
        try:
            yield
        finally:
            self._locked = False

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write(self, path: str, content: bytes) -> None:
        if self.read_only:
            raise GenerateError(f"{path}: cannot be written: Read-only file system")
        self.files[path] = content
        self.written.append(path)

    def remove(self, path: str) -> None:
        if self.read_only:
            raise GenerateError(f"{path}: cannot be written: Read-only file system")
        self.files.pop(path, None)
