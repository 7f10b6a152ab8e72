"""Clients that ask without a pause and remember what went wrong."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from typing import Self

from tests.support.wait import wait_until


class Hammer:
    """`failures` counts everything that was not a whole answer with a status that was expected.

    Args:
        port: on loopback, or on `host`.
        clients: how many at once.
        methods: taken in turn, one for each client.
        path: what they ask for.
        keep_alive: whether a client keeps its connection; a new one for each request shows refused connections.
        pause: seconds between a client's requests.
        host: whose port.
    """

    def __init__(
        self,
        port: int,
        *,
        clients: int = 6,
        methods: tuple[str, ...] = ("GET",),
        path: str = "/",
        keep_alive: bool = True,
        pause: float = 0.003,
        host: str = "127.0.0.1",
    ) -> None:
        self.host = host
        self.port, self.clients, self.methods, self.path = port, clients, methods, path
        self.keep_alive, self.pause = keep_alive, pause
        self.good: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.bodies: Counter[str] = Counter()
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)
        self._thread.start()
        self.more(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(40)

    def more(self, requests: int) -> None:
        """Wait until so many more requests were answered, one way or the other."""
        goal = self.total + requests
        wait_until(lambda: self.total >= goal, timeout=60, what=f"{goal} requests, {self.failures}")

    @property
    def total(self) -> int:
        return self.good.total() + self.failures.total()

    async def _all(self) -> None:
        await asyncio.gather(*[self._client(self.methods[i % len(self.methods)]) for i in range(self.clients)])

    async def _client(self, method: str) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._stop.is_set():
            try:
                streams = streams or await asyncio.open_connection(self.host, self.port)
                status, body, open_ = await asyncio.wait_for(self._ask(method, *streams), 30)
                self.bodies[body] += 1
                if status == 200:
                    self.good[method] += 1
                else:
                    self.failures[f"{method} {status}"] += 1
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
                self.failures[f"{method} {type(error).__name__}"] += 1
                open_ = False
            if streams is not None and not (open_ and self.keep_alive):
                streams[1].close()
                with contextlib.suppress(OSError):
                    await streams[1].wait_closed()
                streams = None
            await asyncio.sleep(self.pause)
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    async def _ask(
        self, method: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, str, bool]:
        data = "x=1" if method == "POST" else ""
        head = f"{method} {self.path} HTTP/1.1\r\nHost: x.test\r\nContent-Length: {len(data)}\r\n\r\n{data}"
        writer.write(head.encode())
        await writer.drain()
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = answer.partition("content-length:")[2].partition("\r\n")[0]
        body = await (reader.readexactly(int(length)) if length else reader.read())
        return int(answer.split()[1]), body.decode().split(" ")[0], bool(length) and "connection: close" not in answer
