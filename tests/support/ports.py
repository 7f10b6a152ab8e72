"""Ports of this machine that nobody listens on."""

from __future__ import annotations

import socket

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
