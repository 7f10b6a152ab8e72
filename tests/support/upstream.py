"""A small HTTP server in the test's own process: what stands behind the proxy."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import hashlib
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


async def _turns() -> None:
    """Let the loop do what it has put off: to tell of a connection takes it a few turns, and so does to close one."""
    for _ in range(5):
        await asyncio.sleep(0)


@dataclass
class Upstream:
    """Answers with its name and what it was asked. `release` ends everything that is held open.

    /sse sends an event and stays open, /ws echoes lines after a WebSocket handshake, /slow sends half of its body and
    waits, /silent waits before its answer, /text names its type, /status/NNN answers so, /close breaks the connection off, /cut does so in the middle
    of the body, anything else gets `name method path`.
    """

    name: str
    port: int = 0
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def start(self, port: int = 0) -> Upstream:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port, ready), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._released.set)

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.seen]

    def _run(self, port: int, ready: threading.Event) -> None:
        asyncio.run(self._serve(port, ready))
        with warnings.catch_warnings():  # what was accepted in the very last moment was never anybody's to close
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    async def _serve(self, port: int, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._end, self._released = asyncio.Event(), asyncio.Event()
        self._clients: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()
        await _turns()  # what was accepted just now becomes a client
        for task in [*self._clients]:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        for writer in self._writers:  # also those that still hold what nobody reads
            writer.transport.abort()
        await _turns()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._client(reader, writer))
        self._clients.add(task)
        self._writers.append(writer)
        task.add_done_callback(self._clients.discard)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._request(reader, writer):
                pass
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("user-agent") != "bgmon":
            self.seen.append((method, path, headers))
        if path == "/close":
            return False
        if path == "/cut":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nonly this")
            await writer.drain()
            return False
        if path == "/sse":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            writer.write(f"data: {self.name}\n\n".encode())
            await writer.drain()
            await self._released.wait()
            writer.write(b"data: end\n\n")
            await writer.drain()
            return False
        if path == "/ws":
            await self._websocket(reader, writer, headers["sec-websocket-key"])
            return False
        if path == "/slow":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
            await writer.drain()
            await self._released.wait()
            writer.write(b"56789")
            await writer.drain()
            return True
        if path == "/silent":
            await self._released.wait()
        kind = "Content-Type: text/plain\r\n" if path == "/text" else ""
        status = int(path.partition("?")[0].rpartition("/")[2]) if path.startswith("/status/") else 200
        body = f"{self.name} {method} {path}".encode()
        writer.write(f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(body)}\r\n\r\n".encode())
        if method != "HEAD":
            writer.write(body)
        await writer.drain()
        return True

    async def _websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        """The handshake of RFC 6455; what follows is bytes to the proxy, so lines do."""
        accept = base64.b64encode(hashlib.sha1(key.encode() + _WEBSOCKET_GUID).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        while line := await reader.readline():
            writer.write(f"{self.name} ".encode() + line)
            await writer.drain()


@contextlib.contextmanager
def upstreams(*names: str) -> Iterator[list[Upstream]]:
    started = [Upstream(name).start() for name in names]
    try:
        yield started
    finally:
        for upstream in started:
            upstream.stop()
