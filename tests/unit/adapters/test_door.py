"""The daemon's HTTP side holds a bounded number of connections, and none for nothing."""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from aiohttp import web

from monitor.adapters.host.descriptors import for_visitors, raise_limit
from monitor.adapters.web.door import Door

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
Story = Callable[[Door, asyncio.Event], Coroutine[Any, Any, None]]


def run(story: Story, *, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
    """`story` gets a door, and an event on which GET /slow waits."""

    async def go() -> None:
        door, release = Door(**{"most": 3, "request_within": 0.2, "idle": 0.2, **settings}), asyncio.Event()

        async def answer(request: web.Request) -> web.Response:
            if request.path == "/slow":
                await release.wait()
            return web.Response(text="here")

        @web.middleware
        async def timed(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            door.handling(request)
            try:
                return await handler(request)
            finally:
                door.handled(request)

        app = web.Application(middlewares=[timed])
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        assert runner.server is not None
        await door.open(runner.server, "127.0.0.1", 0, tls)
        try:
            async with asyncio.timeout(20):
                await story(door, release)
        finally:
            release.set()
            await door.close()
            await runner.cleanup()

    asyncio.run(go())


async def connect(door: Door, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(data)
    await writer.drain()
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bool:
    """Waits until the other side closed it, whatever it sent before."""
    try:
        await reader.read()
    except ConnectionResetError:
        return True
    return reader.at_eof()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_connection_without_a_whole_request_is_dropped(sent: bytes) -> None:
    async def story(door: Door, _: asyncio.Event) -> None:
        reader, writer = await connect(door, sent)
        assert await ended(reader)
        writer.close()
        assert door.taken == 0

    run(story)


def test_a_connection_whose_tls_never_begins_is_counted_and_dropped() -> None:
    async def story(door: Door, _: asyncio.Event) -> None:
        reader, writer = await connect(door)
        while not door.taken:  # noqa: ASYNC110 - until it was accepted
            await asyncio.sleep(0.001)
        assert await ended(reader)
        writer.close()
        while door.taken:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    run(story, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_an_idle_connection_is_closed_after_its_answer() -> None:
    async def story(door: Door, _: asyncio.Event) -> None:
        reader, writer = await connect(door, GET)
        assert (await reader.readuntil(b"here")).startswith(b"HTTP/1.1 200 OK")
        assert await ended(reader)
        writer.close()

    run(story)


def test_the_one_that_waits_longest_makes_room_and_a_request_under_way_does_not() -> None:
    async def story(door: Door, release: asyncio.Event) -> None:
        busy, busy_writer = await connect(door, GET.replace(b"/ ", b"/slow "))
        waiting = [await connect(door) for _ in range(2)]
        while door.taken < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        newest, newest_writer = await connect(door, GET)
        assert await newest.readuntil(b"here")
        assert await ended(waiting[0][0])
        release.set()
        assert await busy.readuntil(b"here")
        for writer in (busy_writer, newest_writer, *(writer for _, writer in waiting)):
            writer.close()

    run(story, request_within=15.0, idle=15.0)


def test_nobody_gets_in_while_all_places_are_busy() -> None:
    async def story(door: Door, release: asyncio.Event) -> None:
        inside = [await connect(door, GET.replace(b"/ ", b"/slow ")) for _ in range(3)]
        while any(place.waiting for place in door._places.values()) or door.taken < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        reader, writer = await connect(door, GET)
        assert await ended(reader)
        assert door.taken == 3
        release.set()
        for one, _ in inside:
            assert await one.readuntil(b"here")
        for open_one in (writer, *(writer for _, writer in inside)):
            open_one.close()

    run(story, request_within=15.0, idle=15.0)


def test_the_soft_limit_of_descriptors_is_raised_and_most_of_them_are_not_the_page_s() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        limit = raise_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limit > 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [for_visitors(limit) for limit in (128, 1024, 65_536)] == [32, 256, 256]
