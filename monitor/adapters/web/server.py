"""The daemon's HTTP side: metrics, health, the API and the status page. Read-only. Fulfils ports.web.WebServer."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from monitor import masking
from monitor.adapters.prometheus.exposition import CONTENT_TYPE, Exposition
from monitor.adapters.web import page, query
from monitor.adapters.web.door import Door
from monitor.adapters.web.guard import add_headers, guard
from monitor.adapters.web.live import EVERY, Live
from monitor.domain.alerting.peers import PeerView
from monitor.domain.health.status import StatusSnapshot
from monitor.errors import BgmonError, UsageError
from monitor.ports.status import StatusSource
from monitor.ports.web import PeersSource

STATIC: Final = Path(__file__).parent / "static"
INCIDENTS: Final = 50
MOST_INCIDENTS: Final = 500
LONGEST_AGENT: Final = 200  # characters
FRESH: Final = 1.0
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_LIVE_TIME: Final = re.compile(r'<time datetime="[^"]*" data-live>[^<]*</time>')
_SPAN: Final = re.compile(r"(data-span>)[^<]*(</time>)")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """`cert` and `key` are PEM files; without `token`, `host` must be a loopback address.

    `most` connections are held at a time.
    """

    host: str
    port: int
    token: str | None = None
    cert: Path | None = None
    key: Path | None = None
    most: int = 256


class AiohttpServer:
    """Serves until stopped; everything slow runs in a worker thread, never in the probes' event loop.

    Args:
        settings: where to listen, and who may look.
        source: what the page shows.
        exposition: the metrics.
        peers: the other hosts.
        ready: empty when the daemon is ready, else why it is not.
        now: unix seconds.
        refresh: seconds between two looks for those who watch the page.
    """

    def __init__(
        self,
        settings: WebSettings,
        source: StatusSource,
        exposition: Exposition,
        *,
        peers: PeersSource | None = None,
        ready: Callable[[], str] = lambda: "",
        now: Callable[[], float] = time.time,
        refresh: float = EVERY,
    ) -> None:
        self._settings = settings
        self._source = source
        self._exposition = exposition
        self._peers = peers
        self._ready = ready
        self._now = now
        self._live = Live(self._fragment, every=refresh)
        self._door = Door(settings.most)
        self._runner: web.AppRunner | None = None
        self._snapshot: tuple[float, StatusSnapshot] | None = None
        self._json: tuple[StatusSnapshot, bytes] | None = None
        self._looking = asyncio.Lock()

    @property
    def port(self) -> int:
        """Where it listens; the one the system chose when the settings say 0."""
        return self._door.port

    async def start(self) -> None:
        """Listen. Raises UsageError."""
        tls = self._tls()
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=2.0, handle_signals=False)
        await runner.setup()
        assert runner.server is not None
        try:
            await self._door.open(runner.server, self._settings.host, self._settings.port, tls)
        except OSError as error:
            await runner.cleanup()
            where = f"{self._settings.host}:{self._settings.port}"
            raise UsageError(
                f"watch.listen: {where}: {error.strerror or error}", hint="choose another address with watch.listen"
            ) from None
        self._runner = runner

    async def stop(self) -> None:
        """Stop within two seconds, readers of the live page included."""
        await self._door.close()
        await self._live.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _tls(self) -> ssl.SSLContext | None:
        if self._settings.cert is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self._settings.cert, self._settings.key)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"watch.tls: {self._settings.cert}: {error.strerror or error}") from None
        return context

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._timed, guard(self._settings.token)], client_max_size=1024)
        app.on_response_prepare.append(add_headers)
        for path, handler in (
            ("/", self._page),
            ("/events", self._events),
            ("/metrics", self._metrics),
            ("/healthz", self._healthz),
            ("/readyz", self._readyz),
            ("/api/v1/status", self._status),
            ("/api/v1/incidents", self._incidents),
            ("/api/v1/peers", self._peer_list),
        ):
            app.router.add_get(path, handler)
        for file in STATIC.iterdir():
            app.router.add_get(f"/static/{file.name}", _static(file))
        return app

    @web.middleware
    async def _timed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._door.handling(request)
        try:
            return await handler(request)
        finally:
            self._door.handled(request)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self._door.handling(request, streams=True)
        return await self._live.handle(request)

    async def _look(self) -> StatusSnapshot:
        """A snapshot at most a second old, whoever asks, and made once for all who ask at a time."""
        async with self._looking:
            moment = time.monotonic()
            if self._snapshot is None or moment - self._snapshot[0] > FRESH:
                snapshot = await asyncio.to_thread(self._source.snapshot, self._now())
                self._snapshot = (time.monotonic(), snapshot)
            return self._snapshot[1]

    def _views(self) -> tuple[PeerView, ...]:
        return self._peers.views() if self._peers is not None else ()

    async def _page(self, request: web.Request) -> web.Response:
        del request
        try:
            snapshot = await self._look()
        except BgmonError as error:
            return web.Response(status=503, text=f"{error}\n")
        html = await asyncio.to_thread(page.render_page, snapshot, self._views())
        response = web.Response(text=html, content_type="text/html", charset="utf-8")
        response.enable_compression()
        return response

    async def _fragment(self) -> tuple[str, str]:
        try:
            snapshot = await self._look()
        except BgmonError as error:
            snapshot = replace(_NOTHING, at=self._now(), project=str(error))
        html = masking.known(await asyncio.to_thread(page.render_status, snapshot, self._views()))
        # Times count on in the browser: they alone are no change.
        html = _SPAN.sub(r"\1\2", html)
        stamp = page.iso(snapshot.at)
        return _LIVE_TIME.sub('<time datetime="" data-live></time>', html), stamp

    async def _metrics(self, request: web.Request) -> web.Response:
        scraper = f"{request.remote} {request.headers.get('User-Agent', '')[:LONGEST_AGENT]}"
        try:
            text = await asyncio.to_thread(self._exposition.render, scraper)
        except BgmonError as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def _healthz(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        del request
        reason = self._ready()
        return web.Response(status=503, text=f"{reason}\n") if reason else web.Response(text="ready\n")

    async def _status(self, request: web.Request) -> web.Response:
        del request
        try:
            snapshot = await self._look()
        except BgmonError as error:
            return _problem(503, str(error))
        if self._json is None or self._json[0] is not snapshot:
            self._json = (snapshot, await asyncio.to_thread(msgspec.json.encode, snapshot))
        response = web.Response(body=self._json[1], content_type="application/json", zlib_executor_size=64 * 1024)
        response.enable_compression()
        return response

    async def _incidents(self, request: web.Request) -> web.Response:
        try:
            service = query.service(request.query)
            limit = query.count(request.query, "limit", default=INCIDENTS, most=MOST_INCIDENTS)
        except UsageError as error:
            return _problem(400, str(error))
        try:
            found = await asyncio.to_thread(self._source.incidents, service=service, limit=limit)
        except BgmonError as error:
            return _problem(503, str(error))
        return web.Response(body=msgspec.json.encode({"incidents": found}), content_type="application/json")

    async def _peer_list(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=msgspec.json.encode({"peers": self._views()}), content_type="application/json")


_NOTHING: Final = StatusSnapshot(project="", host="", at=0.0, engine_up=False, proxy_up=False)


def _problem(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _static(file: Path) -> Callable[[web.Request], Any]:
    body = file.read_bytes()

    async def handler(request: web.Request) -> web.Response:
        del request
        return web.Response(body=body, content_type=_TYPES[file.suffix], charset="utf-8")

    return handler
