"""Whether this host can reach itself at all, so that a broken host is not taken for fifty broken services."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

SECONDS: Final = 2.0


async def loopback() -> str:
    """A connection over loopback and back; empty when it works, else what is wrong."""

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"1")
        writer.close()

    try:
        async with asyncio.timeout(SECONDS):
            server = await asyncio.start_server(take, "127.0.0.1", 0)
            async with server:
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
                await reader.readexactly(1)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
        return f"a connection over loopback failed: {error or 'no answer'}"
    return ""
