"""The gate's probe against real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from monitor.adapters.http.probe import HttpProber
from monitor.domain.deploy.spec import HealthPolicy


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def send(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def trickle(data: bytes, stop: threading.Event) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        while not stop.wait(0.02):
            try:
                connection.sendall(b"x")
            except OSError:
                return

    return answer


def test_an_answer_comes_back_with_its_parts() -> None:
    with server(send(b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 3\r\n\r\nabc")) as port:
        answer = HttpProber().probe("127.0.0.1", port, HealthPolicy(path="/health"))
    assert (answer.status, answer.body) == (301, "abc")
    assert ("location", "/x") in answer.headers


def test_nobody_listening_is_an_answer_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = HttpProber().probe("127.0.0.1", port, HealthPolicy())
    assert (answer.status, answer.error) == (0, "connection refused")


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"])
def test_a_connection_closed_early_is_said(data: bytes) -> None:
    with server(send(data)) as port:
        answer = HttpProber().probe("127.0.0.1", port, HealthPolicy())
    assert answer.status in (0, 200)
    if answer.status == 0:
        assert "closed" in answer.error


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 2"]
)
def test_bytes_that_trickle_do_not_stretch_the_time_out(data: bytes) -> None:
    stop = threading.Event()
    try:
        with server(trickle(data, stop)) as port:
            answer = HttpProber().probe("127.0.0.1", port, HealthPolicy(timeout=0.3))
            stop.set()
    finally:
        stop.set()
    assert (answer.status, answer.error) == (0, "no answer within 0.3 s")


def test_garbage_is_no_answer() -> None:
    with server(send(b"SSH-2.0-OpenSSH\r\n\r\n")) as port:
        answer = HttpProber().probe("127.0.0.1", port, HealthPolicy())
    assert answer.status == 0
    assert answer.error
