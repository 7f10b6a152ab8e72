"""From the engine's log stream to lines with their times.

With timestamps, every message is `2026-11-24T12:00:00.000000000Z text`, nine digits always, so that times compare as
text. Without a terminal each message stands in a frame: stream number, three zeros, length. Messages beyond 16 KiB come
in pieces, each with the time of the first, the last alone with a line end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

MAX_LINE: Final = 256 * 1024
"""What goes beyond is cut off, as the shippers do."""

_HEADER: Final = 8
_TIME: Final = 30  # length of a timestamp

Line = tuple[bytes, bytes]  # time, text


def framed(chunks: Iterable[bytes]) -> Iterator[list[Line]]:
    """Lines of a container without a terminal, a list for each part that came."""
    data = b""
    partial: dict[int, list[bytes]] = {}
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
            pieces = partial.get(stream)
            if text[-1:] != b"\n":
                _append(partial.setdefault(stream, []), text)
                continue
            if pieces:
                _append(pieces, text[:-1])
                text = b"".join(pieces)
                del partial[stream]
                lines.append((time, text))
            else:
                lines.append((time, text[:-1] if len(text) <= MAX_LINE else text[:MAX_LINE]))
        data = data[at:]
        if lines:
            yield lines


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


def _append(pieces: list[bytes], text: bytes) -> None:
    room = MAX_LINE - sum(map(len, pieces))
    if room > 0:
        pieces.append(text[:room])


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
