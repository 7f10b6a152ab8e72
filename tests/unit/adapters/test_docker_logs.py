"""The engine's log stream: frames in any pieces, half lines, lines without end."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.docker.logs import MAX_LINE, Demultiplexer

STDOUT, STDERR = 1, 2


def frame(data: bytes, stream: int = STDOUT) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


def lines(chunks: Iterable[bytes], *, framed: bool = True, timestamps: bool = False) -> list[bytes]:
    demultiplexer = Demultiplexer(framed=framed, timestamps=timestamps)
    found = [line for chunk in chunks for line in demultiplexer.feed(chunk)]
    return [*found, *demultiplexer.rest()]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@given(
    st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=40)), max_size=12),
    st.lists(st.integers(0, 1000), max_size=8),
)
def test_where_the_stream_is_cut_changes_nothing(frames: list[tuple[int, bytes]], places: list[int]) -> None:
    whole = b"".join(frame(data, stream) for stream, data in frames)
    assert lines(cut(whole, places)) == lines([whole])


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and not line.endswith(b"\r")), max_size=8))
def test_every_line_comes_out_byte_for_byte_valid_utf_8_or_not(written: list[bytes]) -> None:
    assert lines([frame(line + b"\n") for line in written]) == written
    assert lines([line + b"\n" for line in written], framed=False) == written


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([(STDOUT, b"half "), (STDERR, b"other\n"), (STDOUT, b"line\n")], [b"other", b"half line"]),
        ([(STDOUT, b"no end")], [b"no end"]),
        ([(STDOUT, b"\n\n")], [b"", b""]),
        ([(STDOUT, b"")], []),
        ([(STDOUT, b"from a terminal\r\n")], [b"from a terminal"]),
        ([(STDOUT, b"a\nb\nc")], [b"a", b"b", b"c"]),
        ([(STDOUT, b"\xff\xfe\n")], [b"\xff\xfe"]),
    ],
)
def test_lines_of_the_two_streams_are_kept_apart(frames: list[tuple[int, bytes]], expected: list[bytes]) -> None:
    assert lines(frame(data, stream) for stream, data in frames) == expected


def test_a_long_line_in_pieces_keeps_one_timestamp() -> None:
    """The log driver cuts lines after 16 KiB, and the engine stamps every piece."""
    pieces = [b"T1 " + b"a" * 16384, b"T2 " + b"b" * 16384, b"T3 c\n", b"T4 next\n"]
    assert lines(map(frame, pieces), timestamps=True) == [b"T1 " + b"a" * 16384 + b"b" * 16384 + b"c", b"T4 next"]


def test_a_line_without_end_takes_no_more_than_its_limit() -> None:
    piece = frame(b"x" * 16384)
    demultiplexer = Demultiplexer(framed=True, timestamps=False)
    for _ in range(200):
        assert list(demultiplexer.feed(piece)) == []
    assert list(demultiplexer.feed(frame(b"end\nnext\n"))) == [b"x" * MAX_LINE, b"next"]


def test_a_frame_that_never_ends_gives_nothing() -> None:
    assert lines([frame(b"whole\n"), frame(b"torn off")[:-3]]) == [b"whole"]
