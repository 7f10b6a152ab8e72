"""Who gets in: a bounded number of connections, none of which is held open for nothing.

The page must never cost what healing needs. A connection is counted from its accept on, before TLS; one that sends no
whole request in time, or does not take its answer, is closed; when all places are taken, the one that has waited
longest makes room.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Final

from aiohttp import web

REQUEST_WITHIN: Final = 10.0  # seconds from the connect, TLS included, to a whole request
IDLE: Final = 30.0  # seconds from a handler's end to the next request, the transfer of the answer included
BUSY: Final = 60.0  # seconds that a handler may take
_SWEEP_EVERY: Final = 1.0
_BACKLOG: Final = 128
_NO_DESCRIPTOR: Final = 0.1  # seconds until the next accept where the process has none left


class _Place(asyncio.Protocol):
    """One connection: passes everything on to aiohttp's handler. `until` is the loop time at which it is closed."""

    def __init__(self, inner: asyncio.Protocol, until: float, left: Callable[[_Place], None]) -> None:
        self.inner = inner
        self.until: float | None = until
        self.waiting = True
        self.opening: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._left = left

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left(self)
        self.inner.connection_lost(exc)

    def close(self) -> None:
        self._left(self)
        if self._transport is not None:
            self._transport.abort()
        elif self.opening is not None:
            self.opening.cancel()


class Door:
    """Accepts for an aiohttp server.

    Args:
        most: connections at a time.
        request_within: seconds from the connect to a whole request.
        idle: seconds from a handler's end to the next request.
    """

    def __init__(self, most: int, *, request_within: float = REQUEST_WITHIN, idle: float = IDLE) -> None:
        self._most = most
        self._request_within = request_within
        self._idle = idle
        self._places: dict[object, _Place] = {}  # by aiohttp's handler, the one that waits longest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[socket.socket] = []

    @property
    def taken(self) -> int:
        return len(self._places)

    @property
    def port(self) -> int:
        return int(self._listeners[0].getsockname()[1])

    async def open(
        self, server: Callable[[], asyncio.Protocol], host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                listener = socket.create_server(address, family=family, backlog=_BACKLOG)
                listener.setblocking(False)
                self._listeners.append(listener)
        except OSError:
            self._shut()
            raise
        for listener in self._listeners:
            self._start(self._accept(listener, server, tls))
        self._start(self._sweep())

    async def close(self) -> None:
        """Listen no more; those inside are left to aiohttp."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._shut()

    def _shut(self) -> None:
        for listener in self._listeners:
            listener.close()

    # -- what the handlers tell --

    def handling(self, request: web.Request, *, streams: bool = False) -> None:
        """A whole request is there. One that `streams` has no end, and bounds its writes itself."""
        place = self._places.get(request.protocol)
        if place is not None:
            place.waiting = False
            place.until = None if streams else self._now() + BUSY

    def handled(self, request: web.Request) -> None:
        place = self._places.pop(request.protocol, None)
        if place is not None:
            place.waiting = True
            place.until = self._now() + self._idle
            self._places[request.protocol] = place

    # -- inside --

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(
        self, listener: socket.socket, server: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)  # an accept that need not wait does not yield: those thrown out would not be closed
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_NO_DESCRIPTOR)
                continue
            if not self._room():
                connection.close()
                continue
            place = _Place(server(), loop.time() + self._request_within, self._leave)
            self._places[place.inner] = place
            place.opening = self._start(self._let_in(place, connection, tls))

    async def _let_in(self, place: _Place, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        within = None if tls is None else self._request_within
        try:
            await loop.connect_accepted_socket(lambda: place, connection, ssl=tls, ssl_handshake_timeout=within)
        except OSError:
            connection.close()
            self._leave(place)
        except asyncio.CancelledError:
            connection.close()
            raise

    def _room(self) -> bool:
        if len(self._places) < self._most:
            return True
        longest = next((place for place in self._places.values() if place.waiting), None)
        if longest is None:
            return False
        longest.close()
        return True

    def _leave(self, place: _Place) -> None:
        self._places.pop(place.inner, None)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            now = self._now()
            for place in list(self._places.values()):
                if place.until is not None and now >= place.until:
                    place.close()
