"""Files that only their owner reads: on the disk before anybody sees them, each replaced by one rename."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, data: bytes) -> None:
    """Write a file that nobody else looks at yet. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, data: bytes) -> None:
    """Replace a file: who reads it has the old text or the new one, never a part. Raises OSError."""
    temporary = unfinished(path)
    write(temporary, data)
    temporary.replace(path)


def unfinished(path: Path) -> Path:
    """What `replace` leaves beside the file when the process is killed meanwhile."""
    return path.with_name(f"{path.name}.new")
