"""Free TCP ports on loopback."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator


class LoopbackPorts:
    """The PortProbe port."""

    def free(self, port: int) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a listener
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True

    def candidates(self, low: int, high: int) -> Iterator[int]:
        # A random start keeps deploys that run at the same time apart; going round covers the whole range.
        start = random.randint(low, high)  # noqa: S311 - no secret
        yield from range(start, high + 1)
        yield from range(low, start)
