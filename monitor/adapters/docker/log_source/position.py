"""How far a container's log has been read, so that no line counts twice or never, whatever restarts in between.

The engine can give lines since a time, and no number or offset. Lines of stdout and stderr may stand a little out of
the order of their times, and several may share one. So a position is a time `base` some seconds back, how many lines
from then on were read (`count`), and the latest time read (`last`): the next reading begins at `base` and passes over
`count` lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from monitor.adapters.docker.log_source.lines import Line, seconds, time_text

BACK: Final = 5.0  # seconds; lines may be this much out of order


@dataclass(frozen=True, slots=True)
class Position:
    base: str = ""
    count: int = 0
    last: str = ""
    gone: bool = False
    """The container was removed, and its last lines are counted."""


def fresh(position: Position, lines: Sequence[Line], *, whole: bool) -> Sequence[Line] | None:
    """The lines of `lines`, which begin at `position.base`, that were not read before.

    None when lines that were read are missing among them and `whole` says that more may be had; if not, they were
    rotated away, and what is later than the last one is new.
    """
    if not position.base:
        return lines
    last = position.last.encode()
    if sum(time <= last for time, _ in lines) >= position.count:
        return lines[position.count :]
    return [line for line in lines if line[0] > last] if whole else None


def advanced(position: Position, lines: Sequence[Line]) -> Position:
    """The position after all of `lines`, which begin at `position.base`, were read."""
    if not lines:
        return position
    last = max(lines, key=lambda line: line[0])[0]
    last = max(last, position.last.encode())
    base = max(time_text(seconds(last) - BACK), position.base.encode())
    return Position(base.decode(), sum(time >= base for time, _ in lines), last.decode())


_decode: Final = msgspec.json.Decoder(Position).decode
_encode: Final = msgspec.json.Encoder().encode


def load(text: str | None) -> Position:
    return _decode(text) if text else Position()


def dump(position: Position) -> str:
    return _encode(position).decode()
