"""Standard output and error of the program: everything written to them goes through the filter for secrets.

The filter sits beneath the text layer, on bytes, so that it also sees what is written to `sys.stdout.buffer`. It sees
each write as a whole; who writes a text in pieces masks it before.
"""

from __future__ import annotations

import io
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, BinaryIO

from monitor import masking


class MaskedWriter(io.BufferedIOBase):
    """A binary stream in front of another; `unmasked` is the other one."""

    def __init__(self, unmasked: BinaryIO) -> None:
        self.unmasked = unmasked

    def write(self, data: Any) -> int:
        self.unmasked.write(masking.octets(bytes(data)))
        return len(data)

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        self.unmasked.flush()

    def fileno(self) -> int:
        return self.unmasked.fileno()

    def isatty(self) -> bool:
        return self.unmasked.isatty()


def install() -> None:
    """For the whole process, until it ends."""
    sys.stdout = _masked(sys.stdout)
    sys.stderr = _masked(sys.stderr)
    sys.excepthook = _report
    threading.excepthook = lambda given: _report(given.exc_type, given.exc_value, given.exc_traceback)


def write_unmasked(data: bytes) -> None:
    """For what a person asks for as it is, such as a dump that another program is to read."""
    stream = sys.stdout.buffer
    target = stream.unmasked if isinstance(stream, MaskedWriter) else stream
    sys.stdout.flush()
    target.write(data)
    target.flush()


def _masked(stream: Any) -> Any:
    if stream is None or not hasattr(stream, "buffer"):
        return stream  # closed from the start, or somebody's own
    return io.TextIOWrapper(
        MaskedWriter(stream.buffer),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _report(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """A traceback as one text: the interpreter would write it in pieces."""
    sys.stderr.write("".join(traceback.format_exception(kind, error, trace)))
    sys.stderr.flush()


def without_dashes(argv: tuple[str, ...]) -> tuple[str, ...]:
    """A command after `SERVICE --`: click passes the -- on where options may stand among the words."""
    return argv[1:] if argv[:1] == ("--",) else argv
