"""The access log of a proxy that runs as a process: a file that only grows, but for rotation."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from monitor.errors import SourceError

_READ: Final = 1024 * 1024
MOST: Final = 64 * _READ  # bytes in one go; the rest follows in the next


class FilePosition(msgspec.Struct, frozen=True):
    """How far the file with this inode was read, always up to the end of a line."""

    inode: int = 0
    offset: int = 0


class AccessFile:
    """Knows two ways of rotation: the file is cut to nothing after a copy, or renamed to NAME.1 and made anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, before: str | None) -> tuple[list[bytes], str | None, bool]:
        """New whole lines, the position after them, and whether there is more. Raises SourceError."""
        position = _decode(before) if before else FilePosition()
        lines: list[bytes] = []
        try:
            if position.inode and _inode(self._path) not in {position.inode, None}:
                renamed = self._path.with_name(f"{self._path.name}.1")
                if _inode(renamed) == position.inode:
                    lines, _ = _lines(renamed, position.offset)
                position = FilePosition()
            inode = _inode(self._path)
            if inode is None:
                return lines, before, False
            offset = position.offset if position.offset <= self._path.stat().st_size else 0
            new, end = _lines(self._path, offset)
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}") from None
        return lines + new, _encode(FilePosition(inode, end)).decode(), end - offset >= MOST


def _inode(path: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_ino
    return None


def _lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """Whole lines from `offset` on, and where the last of them ends."""
    data = b"".join(_parts(path, offset))
    end = data.rfind(b"\n") + 1
    return data[:end].split(b"\n")[:-1], offset + end


def _parts(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(offset, os.SEEK_SET)
        left = MOST + _READ
        while left > 0 and (part := file.read(_READ)):
            left -= len(part)
            yield part


_decode: Final = msgspec.json.Decoder(FilePosition).decode
_encode: Final = msgspec.json.Encoder().encode
