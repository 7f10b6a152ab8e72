"""An HTTP server on loopback with one bad habit, for any number of connections, over TLS or IPv6 where wanted."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Habit = Callable[[bytes, socket.socket], None]
"""Gets the head of a request and the connection, which is closed afterwards."""


def sends(*parts: bytes) -> Habit:
    def habit(_: bytes, connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return habit


def sends_and_stays(data: bytes) -> Habit:
    """Never closes the connection by itself."""

    def habit(_: bytes, connection: socket.socket) -> None:
        connection.sendall(data)
        connection.recv(1)

    return habit


def sends_for_ever(head: bytes, part: bytes, every: float) -> Habit:
    """Until the other side hangs up; `every` are the seconds between two parts."""

    def habit(_: bytes, connection: socket.socket) -> None:
        connection.sendall(head)
        waiting = threading.Event()
        while not waiting.wait(every):
            connection.sendall(part)

    return habit


@contextmanager
def odd_server(habit: Habit, *, ipv6: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port it listens on."""
    family, address = (socket.AF_INET6, "::1") if ipv6 else (socket.AF_INET, "127.0.0.1")
    listener = socket.create_server((address, 0), family=family, backlog=64)
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        # Whoever asks hangs up when it has seen enough.
        with contextlib.suppress(OSError), connection:
            spoken = tls.wrap_socket(connection, server_side=True) if tls is not None else connection
            with spoken:
                spoken.settimeout(10)
                head = b""
                while b"\r\n\r\n" not in head:
                    received = spoken.recv(65536)
                    if not received:
                        return
                    head += received
                habit(head, spoken)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=serve, args=(connection,), daemon=True)
            thread.start()
            threads.append(thread)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread in threads:
            thread.join(5)
