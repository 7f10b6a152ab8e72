"""Lines out of the engine's frames: pieces of long lines, last words without a line end, one order for good."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.docker.log_source.lines import MAX_LINE, PIECE, Line, framed
from monitor.domain.logs.counts import Counts
from monitor.domain.logs.parse import LineParser
from monitor.domain.logs.rules import LogRule

Message = tuple[int, int, bytes]  # stream, second, text


def stamp(second: int) -> bytes:
    return f"2026-11-26T12:00:{second:02d}.000000000Z".encode()


def lines(messages: Sequence[Message]) -> list[Line]:
    data = b""
    for stream, second, text in messages:
        body = stamp(second) + b" " + text
        data += bytes([stream, 0, 0, 0]) + len(body).to_bytes(4, "big") + body
    return [line for part in framed([data[at : at + 7] for at in range(0, len(data), 7)]) for line in part]


def texts(*messages: Message) -> list[bytes]:
    return [text for _, text in lines(messages)]


def test_a_last_line_without_its_end_swallows_no_line_of_the_next_start() -> None:
    """Five requests, one more cut off by the end of the process, a restart, five requests."""
    good = b'{"status":200}'
    messages = [
        *((1, second, good + b"\n") for second in range(5)),
        (1, 5, b'{"status":500}'),
        *((1, second, good + b"\n") for second in range(10, 15)),
    ]
    counts = Counts()
    LineParser(LogRule("json", "status", None, "s", None)).count([text for _, text in lines(messages)], counts)
    assert (counts.codes, counts.unparsed) == ({"200": 10, "500": 1}, 0)


def test_pieces_of_one_line_share_their_time() -> None:
    long = b"x" * PIECE
    assert texts((1, 1, long), (1, 1, long), (1, 1, b"end\n"), (1, 2, b"next\n")) == [long + long + b"end", b"next"]
    assert texts((1, 1, long), (1, 2, b"next\n")) == [long, b"next"]


def test_a_line_that_is_still_being_written_is_waited_for() -> None:
    long = b"x" * PIECE
    assert texts((1, 1, b"first\n"), (1, 2, long), (2, 3, b"error\n")) == [b"first"]
    assert texts((1, 1, b"first\n"), (1, 2, b"last words"), (2, 3, b"error\n")) == [b"first", b"last words", b"error"]


def test_a_line_of_many_pieces_is_cut_off_at_the_most() -> None:
    many = [(1, 1, b"x" * PIECE)] * 40
    assert texts(*many, (1, 1, b"end\n"), (1, 2, b"next\n")) == [b"x" * MAX_LINE, b"next"]


@pytest.mark.parametrize("streams", [(1,), (1, 2)])
@given(data=st.data())
def test_a_log_that_is_read_again_begins_with_the_same_lines(streams: tuple[int, ...], data: st.DataObject) -> None:
    pieces = st.tuples(st.sampled_from(streams), st.sampled_from([b"a\n", b"b", b"c" * PIECE, b"\n"]))
    messages = [(stream, n, text) for n, (stream, text) in enumerate(data.draw(st.lists(pieces, max_size=12)))]
    whole = lines(messages)
    for upto in range(len(messages)):
        before = lines(messages[:upto])
        assert whole[: len(before)] == before
