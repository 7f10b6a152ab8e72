"""Ports of this machine that nobody listens on."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

_given: set[int] = set()


def free_port() -> int:
    """A TCP port that is free on every address now; no port is given twice in one session."""
    while True:
        with socket.socket() as listener:
            listener.bind(("0.0.0.0", 0))
            port: int = listener.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


@contextlib.contextmanager
def taken_ports(count: int) -> Iterator[int]:
    """The first of so many ports in a row, which a stranger listens on while the block runs; the one after them is free."""
    while True:
        with contextlib.ExitStack() as listeners:
            low = random.randrange(22000, 29000)
            try:
                socket.create_server(("127.0.0.1", low + count)).close()
                for port in range(low, low + count):
                    listeners.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            yield low
            return
