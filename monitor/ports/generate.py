"""The folder that generated files go to."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class OutputFolder(Protocol):
    """Paths are relative, with `/`. Raises GenerateError when the folder cannot be read or written."""

    def lock(self, *, wait: float) -> AbstractContextManager[None]:
        """Keep other runs out for the block. Raises LockedError after `wait` seconds."""
        ...

    def read(self, path: str) -> bytes | None:
        """None when there is no such file."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """All at once: a reader sees the old or the new content, and a failure leaves the old one."""
        ...

    def remove(self, path: str) -> None:
        """Remove the file, and folders that it leaves empty; one that is gone is no error."""
        ...
