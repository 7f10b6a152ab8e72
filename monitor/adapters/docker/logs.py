"""Log lines out of the engine's stream.

Without a terminal, the engine sends frames: a byte for the stream (1 stdout, 2 stderr), three zero bytes, the length as
four bytes, big-endian, then that many bytes (Docker Engine API, "Stream format" of container attach). A frame is one
message of the log driver, which cuts lines after 16 KiB: such a piece has no line end, and with timestamps every
piece brings its own.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator

from monitor import masking
from monitor.adapters.docker.stream import Tap

MAX_LINE = 1024 * 1024
_MARGIN = 64 * 1024  # longer than any secret that the cut may fall into
_HEADER = struct.Struct(">BxxxL")


class Lines:
    """Puts one stream's pieces together to lines of at most MAX_LINE bytes; what a line has beyond that is dropped."""

    def __init__(self) -> None:
        self._part = bytearray()
        self.open = False  # inside a line

    def feed(self, data: bytes) -> Iterator[bytes]:
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            yield self._take()
        if rest:
            self.open = True
            self._add(rest)

    def rest(self) -> Iterator[bytes]:
        """The last line, which has no end."""
        if self.open:
            yield self._take()

    def _add(self, piece: bytes) -> None:
        self._part += piece[: MAX_LINE + _MARGIN - len(self._part)]

    def _take(self) -> bytes:
        line = bytes(self._part).removesuffix(b"\r")
        if len(line) > MAX_LINE:
            line = masking.octets(line)[:MAX_LINE]  # what is cut in two is not recognised any more
        self._part.clear()
        self.open = False
        return line


def frames(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """The number of the stream and the content of each whole frame; takes them out of the buffer."""
    while len(buffer) >= _HEADER.size:
        stream, length = _HEADER.unpack_from(buffer)
        end = _HEADER.size + length
        if len(buffer) < end:
            return
        frame = bytes(buffer[_HEADER.size : end])
        del buffer[:end]
        yield stream, frame


class Demultiplexer:
    """Frames in, in whatever pieces they come; lines out, each stream's for itself."""

    def __init__(self, *, framed: bool, timestamps: bool) -> None:
        self._framed = framed
        self._timestamps = timestamps
        self._buffer = bytearray()
        self._streams: dict[int, Lines] = {}

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._framed:
            yield from self._stream(0).feed(data)
            return
        self._buffer += data
        for stream, frame in frames(self._buffer):
            lines = self._stream(stream)
            yield from lines.feed(frame.partition(b" ")[2] if self._timestamps and lines.open else frame)

    def rest(self) -> Iterator[bytes]:
        for lines in self._streams.values():
            yield from lines.rest()

    def _stream(self, number: int) -> Lines:
        return self._streams.setdefault(number, Lines())


class LogStream:
    """An iterator of lines that another thread may `close`, which ends it quietly."""

    def __init__(self, tap: Tap, demultiplexer: Demultiplexer, translate: Callable[[Exception], Exception]) -> None:
        self._tap = tap
        self._demultiplexer = demultiplexer
        self._translate = translate
        self._ready: deque[bytes] = deque()
        self._cut = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._ready and not self._tap.closed:
            self._read()
        if self._cut or not self._ready:
            raise StopIteration
        return self._ready.popleft()

    def close(self) -> None:
        self._cut = True
        self._tap.close()

    def _read(self) -> None:
        try:
            self._ready.extend(self._demultiplexer.feed(next(self._tap)))
        except StopIteration:
            self._ready.extend(self._demultiplexer.rest())
        except Exception as error:
            raise self._translate(error) from error
