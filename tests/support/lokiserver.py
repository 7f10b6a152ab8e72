"""An HTTP server on loopback that says what Loki said, or what a test wants it to say."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

OK: dict[str, Any] = {"status": "success", "data": {"resultType": "vector", "result": []}}


@dataclass
class Answer:
    """`delay` is waited before the answer; a dictionary as `body` is sent as JSON."""

    status: int = 200
    body: Any = field(default_factory=lambda: OK)
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    zipped: bool = False


@dataclass
class Asked:
    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]


class LokiServer:
    """`answers` are given one a request; after them `otherwise` decides, and says OK with nothing when unset."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []
        self.otherwise: Callable[[Asked], Answer] = lambda _: Answer()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def close(self) -> None:
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self._port = int(runner.addresses[0][1])
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _answer(self, request: web.Request) -> web.Response:
        params = dict(request.query) | {key: str(value) for key, value in (await request.post()).items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path, params, headers)
        self.asked.append(asked)
        answer = self.answers.pop(0) if self.answers else self.otherwise(asked)
        await asyncio.sleep(answer.delay)
        if isinstance(answer.body, bytes):
            body, kind = answer.body, "application/octet-stream"
        elif isinstance(answer.body, str):
            body, kind = answer.body.encode(), "text/plain; charset=utf-8"
        else:
            body, kind = json.dumps(answer.body).encode(), "application/json; charset=UTF-8"
        headers = {"Content-Type": answer.content_type or kind, **answer.headers}
        if answer.zipped:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        return web.Response(status=answer.status, body=body, headers=headers)
