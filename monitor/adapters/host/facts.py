"""Facts about this host: its ports, its disk, and who listens inside a container."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

_SIOCGIFADDR: Final = 0x8915  # netdevice(7)
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

    def address_of(self, interface: str) -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", interface.encode()))
            except OSError:
                return ""
        return socket.inet_ntoa(answer[20:24])

    def way_to(self, address: str, bridge: str) -> str:
        if not Path(f"/sys/class/net/{bridge}/bridge").exists():
            return f"the bridge {bridge} is not on this host"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((address, 9))  # sends nothing: it asks the kernel for the route
            except OSError as error:
                return f"this host has no way to {address} through the bridge {bridge}: {error.strerror}"
            if probe.getsockname()[0] != self.address_of(bridge):
                return f"this host's way to {address} does not lead through the bridge {bridge}"
        return ""

    def routes(self) -> list[tuple[str, str]]:
        try:
            lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            return []
        found = []
        for line in lines:
            fields = line.split()
            start, mask = (int.from_bytes(bytes.fromhex(fields[n]), "little") for n in (1, 7))
            if mask:
                found.append((str(IPv4Network((start, mask.bit_count()))), fields[0]))
        return found

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
