"""Server-sent events: whoever looks at the page is sent it anew when it changed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

log = logging.getLogger(__name__)

EVERY: Final = 2.0
LOOK_EVERY: Final = 10.0
MOST: Final = 100
COST: Final = 20  # rendering takes a twentieth of the time at most, however many services there are


class Live:
    """Renders while anybody listens, once for all of them.

    Args:
        render: the inside of the page and when it was looked at (ISO); the time is no reason to send it.
    """

    def __init__(self, render: Callable[[], Awaitable[tuple[str, str]]], *, every: float = EVERY) -> None:
        self._render = render
        self._every = every
        self._queues: set[asyncio.Queue[str | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET /events."""
        if len(self._queues) >= MOST or self._stopped:
            return web.Response(status=503, text="too many readers\n", headers={"Retry-After": "30"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=2)
        self._queues.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            await response.write(b"retry: 3000\n\n")
            while (event := await queue.get()) is not None:
                await response.write(event.encode())
        except ConnectionError:
            pass  # the reader is gone
        finally:
            self._queues.discard(queue)
        return response

    async def stop(self) -> None:
        self._stopped = True
        for queue in list(self._queues):
            _put(queue, None)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        last, looked_at, known = "", 0.0, set(self._queues)
        while self._queues:
            begun = loop.time()
            try:
                html, at = await self._render()
            except Exception:
                log.exception("the status page could not be rendered")
                await asyncio.sleep(self._every)
                continue
            fresh = self._queues - known  # these have no page newer than their own load
            if html != last:
                event = _event("status", {"html": html, "at": at})
                for queue in self._queues:
                    _put(queue, event)
                last, looked_at = html, loop.time()
            else:
                for queue in fresh:
                    _put(queue, _event("status", {"html": html, "at": at}))
                if loop.time() - looked_at >= LOOK_EVERY:  # keeps connections open, and the shown time true
                    for queue in self._queues:
                        _put(queue, _event("look", {"at": at}))
                    looked_at = loop.time()
            known = set(self._queues)
            await asyncio.sleep(max(self._every, COST * (loop.time() - begun)))


def _event(name: str, data: dict[str, str]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _put(queue: asyncio.Queue[str | None], event: str | None) -> None:
    """Never wait for a slow reader: what it did not take yet is out of date."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(event)
