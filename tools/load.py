"""Steady load over a few keep-alive connections, and an exact account of what came back.

A request counts as failed when its answer is a 5xx, is cut short, does not come in time or cannot be asked for at all.
Nothing is retried: what the client sees is what a user would have seen.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

TIMEOUT = 10.0


@dataclass
class Tally:
    """What was asked between two moments. Requests count where their answer ends."""

    requests: int = 0
    failed: int = 0
    slowest: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, float] = field(default_factory=dict)  # version -> unix time of its first answer


class Connection:
    """One keep-alive connection to a server; opened again whenever it is gone."""

    def __init__(self, port: int, headers: str = "") -> None:
        self._port = port
        self._headers = headers
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, dict[str, str], int]:
        """Status, headers and size of the body. Raises OSError or EOFError when there is no whole answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{self._headers}\r\n".encode())
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            size = int(headers.get("content-length", "0"))
            await reader.readexactly(size)
        except BaseException:
            await self.close()
            raise
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return int(first.split(" ")[1]), headers, size

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Load:
    """Asks `paths` in turn, `rate` times a second over `connections`, from a thread of its own until it is closed."""

    def __init__(self, port: int, *, paths: Sequence[str] = ("/",), connections: int = 8, rate: float = 400.0) -> None:
        self._port = port
        self._paths = paths
        self._connections = connections
        self._pause = connections / rate
        self._tally = Tally()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=TIMEOUT + 5)

    @contextmanager
    def tally(self) -> Iterator[Tally]:
        """What comes back within the block, complete when it ends."""
        with self._lock:
            self._tally = tally = Tally()
        yield tally
        with self._lock:
            self._tally = Tally()

    async def _run(self) -> None:
        await asyncio.gather(*(self._worker(number) for number in range(self._connections)))

    async def _worker(self, number: int) -> None:
        connection = Connection(self._port)
        await asyncio.sleep(self._pause * number / self._connections)
        due = time.monotonic()
        for path in itertools.cycle(
            [*self._paths[number % len(self._paths) :], *self._paths[: number % len(self._paths)]]
        ):
            if self._stop.is_set():
                break
            await self._ask(connection, path)
            due += self._pause
            behind = time.monotonic() - due
            if behind > 1:  # after a stall: no burst to catch up
                due += behind
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await connection.close()

    async def _ask(self, connection: Connection, path: str) -> None:
        began = time.monotonic()
        status, version, reason = 0, "", ""
        try:
            async with asyncio.timeout(TIMEOUT):
                status, headers, _size = await connection.get(path)
            version = headers.get("x-version", "")
            reason = f"status {status}" if status >= 500 else ""
        except (OSError, EOFError, ValueError) as error:
            reason = type(error).__name__
        took = time.monotonic() - began
        with self._lock:
            tally = self._tally
            tally.requests += 1
            tally.statuses[status] += 1
            tally.versions[version] += 1
            tally.first.setdefault(version, time.time())
            tally.slowest = max(tally.slowest, took)
            if reason:
                tally.failed += 1
                tally.reasons[reason] += 1
