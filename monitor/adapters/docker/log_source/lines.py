"""From the engine's log stream to lines with their times.

With timestamps, every message is `2026-11-24T12:00:00.000000000Z text`, nine digits always, so that times compare as
text. Without a terminal each message stands in a frame: stream number, three zeros, length. Messages beyond 16 KiB come
in pieces, each with the time of the first, the last alone with a line end. What a process wrote last, without a line
end, is a message without one as well: what follows it has another time, and is another line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

MAX_LINE: Final = 256 * 1024
"""What goes beyond is cut off, as the shippers do."""

PIECE: Final = 16 * 1024
"""Bytes of a piece that is not the last one."""

_HEADER: Final = 8
_TIME: Final = 30  # length of a timestamp

Line = tuple[bytes, bytes]  # time, text


def framed(chunks: Iterable[bytes]) -> Iterator[list[Line]]:
    """Lines of a container without a terminal, a list for each part that came, in the order in which they began.

    A log that is read again gives the same lines in the same order, and perhaps more: positions count on it.
    """
    data = b""
    pieces = _Pieces()
    for chunk in chunks:
        data = data + chunk if data else chunk
        size = len(data)
        lines: list[Line] = []
        at = 0
        while size - at >= _HEADER:
            end = at + _HEADER + int.from_bytes(data[at + 4 : at + 8], "big")
            if end > size:
                break
            stream = data[at]
            time = data[at + 8 : at + 8 + _TIME]
            text = data[at + 9 + _TIME : end]
            at = end
            if text[-1:] == b"\n" and not pieces.waiting:
                lines.append((time, text[:-1] if len(text) <= MAX_LINE else text[:MAX_LINE]))
            else:
                lines += pieces.feed(stream, time, text)
        data = data[at:]
        if lines:
            yield lines
    rest = pieces.end()
    if rest:
        yield rest


@dataclass(slots=True, eq=False)
class _Begun:
    """A line some of whose pieces have come."""

    time: bytes
    text: bytearray
    last: int = 0
    """Bytes of the last piece."""
    whole: bool = False

    def add(self, piece: bytes) -> None:
        self.last = len(piece)
        self.text += piece[: max(0, MAX_LINE - len(self.text))]


class _Pieces:
    """Puts pieces together. Lines that begin later wait until an earlier one is whole."""

    def __init__(self) -> None:
        self.waiting: list[_Begun] = []
        self._open: dict[int, _Begun] = {}

    def feed(self, stream: int, time: bytes, text: bytes) -> list[Line]:
        begun = self._open.get(stream)
        if begun is None or begun.time != time:  # another time is another line: the one before it has no end
            if begun is not None:
                begun.whole = True
            begun = self._open[stream] = _Begun(time, bytearray())
            self.waiting.append(begun)
        begun.add(text.removesuffix(b"\n"))
        if text[-1:] == b"\n":
            begun.whole = True
            del self._open[stream]
        return self._done()

    def end(self) -> list[Line]:
        """What is left when nothing more comes: lines without an end, but no line of which a piece is still to come."""
        for begun in self._open.values():
            begun.whole = begun.last < PIECE
        return self._done()

    def _done(self) -> list[Line]:
        number = next((at for at, begun in enumerate(self.waiting) if not begun.whole), len(self.waiting))
        done = [(begun.time, bytes(begun.text)) for begun in self.waiting[:number]]
        del self.waiting[:number]
        return done


def plain(chunks: Iterable[bytes]) -> Iterator[list[Line]]:
    """Lines of a container with a terminal, where stdout and stderr are one and nothing is framed."""
    data = b""
    for chunk in chunks:
        data += chunk
        *whole, data = data.split(b"\n")
        data = data[: MAX_LINE + _TIME + 1]
        lines = [(line[:_TIME], line[_TIME + 1 :].removesuffix(b"\r")) for line in whole]
        if lines:
            yield lines


def time_text(seconds: float) -> bytes:
    """A time as the engine writes it; microseconds are as fine as a float of today tells.

    >>> time_text(1795466400.5)
    b'2026-11-23T20:40:00.500000000Z'
    """
    micros = round(seconds * 1_000_000)
    whole = datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{micros % 1_000_000:06d}000Z".encode()


def unix_text(time: bytes) -> str:
    """A time as `since` takes it, to the nanosecond.

    >>> unix_text(b'2026-11-23T20:40:00.500000001Z')
    '1795466400.500000001'
    """
    whole = datetime.strptime(time[:19].decode(), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return f"{int(whole.timestamp())}.{time[20:29].decode()}"


def seconds(time: bytes) -> float:
    return float(unix_text(time))
