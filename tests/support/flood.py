"""Visitors that hold on to the daemon's HTTP side: python -m tests.support.flood PORT IDLE SLOW STREAMING.

Idle ones send nothing, slow ones a byte of a request now and then, streaming ones read the live page's events and take
nothing. Whoever is thrown out comes back. Ends with its standard input; prints `flooding` once all have tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys

PAUSE = 1.0
STREAM = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "


async def visitor(port: int, kind: str, tried: asyncio.Semaphore) -> None:
    first = True
    while True:
        writer = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            writer.write({"idle": b"", "slow": SLOW, "streaming": STREAM}[kind])
            if first:
                first = False
                tried.release()
            while not reader.at_eof():
                if kind == "slow":
                    writer.write(b"x")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE):
                        await reader.read(1)
        except OSError:
            pass
        finally:
            if writer is not None:
                writer.transport.abort()
        await asyncio.sleep(PAUSE)


async def main(port: int, idle: int, slow: int, streaming: int) -> None:
    tried = asyncio.Semaphore(0)
    kinds = ["idle"] * idle + ["slow"] * slow + ["streaming"] * streaming
    tasks = []
    for number, kind in enumerate(kinds):
        tasks.append(asyncio.create_task(visitor(port, kind, tried)))
        if number % 50 == 0:
            await asyncio.sleep(0.05)
    for _ in kinds:
        await tried.acquire()
    print("flooding", flush=True)  # noqa: T201 - the parent waits for it
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    asyncio.run(main(*map(int, sys.argv[1:])))
