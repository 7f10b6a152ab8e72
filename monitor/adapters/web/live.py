"""Server-sent events: whoever looks at the page is sent what changed on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

log = logging.getLogger(__name__)

EVERY: Final = 2.0
LOOK_EVERY: Final = 10.0
MOST: Final = 100
STALLED: Final = 10.0
_PART: Final = re.compile(r"<!--part (\S+)-->(.*?)<!--/part-->", re.DOTALL)
COST: Final = 20  # rendering takes a twentieth of the time at most, however many services there are


@dataclass(frozen=True, slots=True)
class _Page:
    """The inside of the page, taken apart: `frame` is what is left without the parts that change by themselves."""

    html: str
    frame: str
    parts: dict[str, str]

    @classmethod
    def of(cls, html: str) -> _Page:
        """Cut at `<!--part NAME-->...<!--/part-->`. Texts in it are escaped, so none can pass for such a mark."""
        return cls(html, _PART.sub(r"\1", html), dict(_PART.findall(html)))


class _Reader:
    """One who looks. `sent` is the page that was put into its queue last."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1)
        self.sent: _Page | None = None
        self.at = 0.0

    def put(self, event: str | None, at: float) -> None:
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(event)
        self.at = at


class Live:
    """Renders while anybody listens, once for all of them, and sends each reader what changed for it.

    Args:
        render: the inside of the page and when it was looked at (ISO); the time is no reason to send it.
        every: seconds between two looks.
        stalled: seconds after which a reader that does not take what it is sent is dropped.
    """

    def __init__(
        self, render: Callable[[], Awaitable[tuple[str, str]]], *, every: float = EVERY, stalled: float = STALLED
    ) -> None:
        self._render = render
        self._every = every
        self._stalled = stalled
        self._readers: set[_Reader] = set()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET /events."""
        if len(self._readers) >= MOST or self._stopped:
            return web.Response(status=503, text="too many readers\n", headers={"Retry-After": "30"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        reader = _Reader()
        self._readers.add(reader)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            await self._write(response, b"retry: 3000\n\n")
            while (event := await reader.queue.get()) is not None:
                await self._write(response, event.encode())
        except ConnectionError:
            pass  # the reader is gone
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # it takes nothing, and would hold its place for ever
        finally:
            self._readers.discard(reader)
        return response

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(self._stalled):
            await response.write(data)

    async def stop(self) -> None:
        self._stopped = True
        for reader in self._readers:
            reader.put(None, 0.0)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._readers:
            begun = loop.time()
            try:
                html, at = await self._render()
                page = await asyncio.to_thread(_Page.of, html)
            except Exception:
                log.exception("the status page could not be rendered")
            else:
                self._send(page, at, loop.time())
            await asyncio.sleep(max(self._every, COST * (loop.time() - begun)))

    def _send(self, page: _Page, at: str, now: float) -> None:
        """A reader that did not take its last event yet is left out: it gets all that changed with its next one."""
        events: dict[int, str] = {}
        for reader in self._readers:
            if reader.queue.full():
                continue
            key = id(reader.sent)
            if key not in events:
                events[key] = _difference(reader.sent, page, at)
            if events[key]:
                reader.put(events[key], now)
                reader.sent = page
            elif now - reader.at >= LOOK_EVERY:  # keeps connections open, and the shown time true
                reader.put(_event("look", {"at": at}), now)


def _difference(sent: _Page | None, page: _Page, at: str) -> str:
    """The event that makes one page of the other; empty when they are the same."""
    if sent is None or sent.frame != page.frame or sent.parts.keys() != page.parts.keys():
        return _event("status", {"html": page.html, "at": at})
    changed = {name: part for name, part in page.parts.items() if sent.parts[name] != part}
    return _event("parts", {"parts": changed, "at": at}) if changed else ""


def _event(name: str, data: dict[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
