"""Facts about this host: its ports, its disk, and who listens inside a container."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LISTEN: Final = "0A"  # TCP_LISTEN in /proc/net/tcp, include/net/tcp_states.h


class LocalHost:
    """The Host port."""

    def port_free(self, port: int) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free for a listener
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True

    def port_candidates(self, low: int, high: int) -> Iterator[int]:
        # A random start keeps deploys that run at the same time apart; going round covers the whole range.
        start = random.randint(low, high)  # noqa: S311 - no secret
        yield from range(start, high + 1)
        yield from range(low, start)

    def disk_free(self, path: str) -> int | None:
        try:
            facts = os.statvfs(path)
        except OSError:
            return None
        return facts.f_bavail * facts.f_frsize

    def listening_ports(self, pid: int) -> tuple[int, ...]:
        ports: set[int] = set()
        for table in ("tcp", "tcp6"):
            try:
                lines = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
            except OSError:
                continue
            for line in lines:
                fields = line.split()
                if fields[3] == _LISTEN:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
        return tuple(sorted(ports))
