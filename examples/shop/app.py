"""The shop: a small HTTP service with every good and bad habit a deploy or a watchdog has to cope with.

Standard library alone, one event loop, HTTP/1.1 with keep-alive. How it behaves is set by the environment when it
starts and can be changed while it runs: `POST /set?name=value` with the names below, in lower case.

    PORT            port to listen on (3000); with `worker` as the first argument it listens nowhere and only logs
    SERVICE VERSION what / and /version tell; VERSION is else read from the file VERSION beside this one
    HEALTH_STATUS   status of /health (200)             HEALTH_BODY   its text (ok)
    HEALTH_DELAY    seconds /health takes (0)           HEALTH_AFTER  503 until then: seconds from the start, or never
    ERROR_RATE      share of other requests that get a 500, evenly spread (0)
    ERROR_AFTER     when ERROR_RATE begins, from the first such request on: 200 (requests) or 3s (seconds)
    EXIT_AT_START   exit code, at once                  START_DELAY   seconds until it listens (0)
    EXIT_AFTER      seconds it runs until it exits with 3, at every start
    IGNORE_SIGTERM  1: only SIGKILL ends it             GRACE         seconds a SIGTERM waits for requests (10)
    LOG_FORMAT      json, logfmt, nginx or none         WORKER_INTERVAL seconds between a worker's lines (1)
    SEARCH_URL      what /search asks

    /  /version  /health  /slow?ms=  /error?status=  /error-rate?share=  /stream?events=&ms=  /ws  /upload
    /download?mb=&seconds=  /search?q=  /hang  /oom?mb=  /exit?code=  /log?line=  POST /set?name=value
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import signal
import socket
import struct
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

STARTED = time.monotonic()
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}
NEVER = float("inf")


def seconds(text: str) -> float:
    return NEVER if text == "never" else float(text.removesuffix("s"))


class Switches:
    """What the environment set, and `POST /set` may change."""

    def __init__(self) -> None:
        env = os.environ.get
        here = Path(__file__).with_name("VERSION")
        self.service = env("SERVICE", "shop")
        self.version = env("VERSION") or (here.read_text().strip() if here.exists() else "dev")
        self.health_status = env("HEALTH_STATUS", "200")
        self.health_body = env("HEALTH_BODY", "ok")
        self.health_delay = env("HEALTH_DELAY", "0")
        self.health_after = env("HEALTH_AFTER", "0")
        self.error_rate = env("ERROR_RATE", "0")
        self.error_after = env("ERROR_AFTER", "0")
        self.log_format = env("LOG_FORMAT", "json")
        self.search_url = env("SEARCH_URL", "")
        self.ignore_sigterm = env("IGNORE_SIGTERM", "0")
        self.grace = env("GRACE", "10")
        self.hang = "0"


class Request:
    def __init__(self, method: str, target: str, version: str, headers: dict[str, str]) -> None:
        url = urlsplit(target)
        self.method, self.path, self.headers = method, url.path, headers
        self.query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        connection = headers.get("connection", "").lower()
        self.keep_alive = connection != "close" and (version == "HTTP/1.1" or connection == "keep-alive")

    def number(self, name: str, default: float) -> float:
        return float(self.query.get(name) or default)


class Shop:
    def __init__(self) -> None:
        self.on = Switches()
        self.requests = 0
        self.first_request = NEVER
        self.error_debt = 0.0
        self.busy = 0
        self.stopping = False
        self.idle: set[asyncio.StreamWriter] = set()
        self.hoard: list[bytearray] = []

    # --- one connection -------------------------------------------------------------------------------------------

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while not self.stopping:
                self.idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self.idle.discard(writer)
                self.busy += 1
                try:
                    if not await self.request(head, reader, writer):
                        break
                finally:
                    self.busy -= 1
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # the client went away, or does not speak HTTP
        finally:
            self.idle.discard(writer)
            writer.close()

    async def request(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection may carry another."""
        began = time.perf_counter()
        first, *lines = head.decode("latin-1").split("\r\n")
        try:
            method, target, version = first.split(" ")
        except ValueError:
            self.answer(writer, 400, "no HTTP\n", keep_alive=False)
            return False
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        request = Request(method, target, version, headers)
        status, size = await self.route(request, reader, writer)
        await writer.drain()
        self.log(request, status, size, time.perf_counter() - began)
        return request.keep_alive and status > 0 and not self.stopping

    def answer(self, writer: asyncio.StreamWriter, status: int, text: str, *, keep_alive: bool, kind: str = "") -> int:
        body = text.encode()
        head = (
            f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nContent-Type: {kind or 'text/plain; charset=utf-8'}"
            f"\r\nContent-Length: {len(body)}\r\nX-Version: {self.on.version}\r\n"
            f"Connection: {'keep-alive' if keep_alive and not self.stopping else 'close'}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        return len(body)

    async def route(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, int]:
        """Status and size of the answer; a negative status ends the connection."""
        if self.on.hang == "all" or (self.on.hang == "1" and request.path == "/health"):
            await asyncio.sleep(3600)
        special = {"/stream": self.stream, "/ws": self.websocket, "/download": self.download}.get(request.path)
        if special is not None:
            return await special(request, reader, writer)
        body = await self.body(request, reader)
        status, text = await self.plain(request, body)
        kind = "application/json" if text.startswith("{") else ""
        if request.method == "HEAD":
            text = ""
        return status, self.answer(writer, status, text, keep_alive=request.keep_alive, kind=kind)

    async def body(self, request: Request, reader: asyncio.StreamReader) -> tuple[int, str]:
        """Length and SHA-256 of a request's body, which is not kept."""
        size, digest = 0, hashlib.sha256()
        if request.headers.get("expect", "").lower() == "100-continue":
            request.keep_alive = False
        if "chunked" in request.headers.get("transfer-encoding", "").lower():
            while length := int((await reader.readline()).split(b";")[0], 16):
                digest.update((await reader.readexactly(length + 2))[:-2])
                size += length
            await reader.readline()
        else:
            left = int(request.headers.get("content-length") or 0)
            while left:
                chunk = await reader.read(min(left, 65536))
                if not chunk:
                    raise ConnectionResetError
                digest.update(chunk)
                left -= len(chunk)
                size += len(chunk)
        return size, digest.hexdigest()

    # --- answers --------------------------------------------------------------------------------------------------

    async def plain(self, request: Request, body: tuple[int, str]) -> tuple[int, str]:  # noqa: C901, PLR0911, PLR0912
        if request.path == "/health":
            return await self.health()
        if request.path == "/set" and request.method == "POST":
            return self.set(request.query)
        if self.fails():
            return 500, "this release is broken\n"
        match request.path:
            case "/":
                return 200, f"{self.on.service} {self.on.version}\n"
            case "/version":
                about = {"service": self.on.service, "version": self.on.version, "host": socket.gethostname()}
                return 200, json.dumps(about | {"busy": self.busy, "uptime": round(time.monotonic() - STARTED, 3)})
            case "/slow":
                await asyncio.sleep(request.number("ms", 1000) / 1000)
                return 200, f"slept, {self.on.version}\n"
            case "/error":
                return int(request.number("status", 500)), "an error, as asked\n"
            case "/error-rate":
                return self.set({"error_rate": request.query.get("share", "1")})
            case "/upload":
                return 200, json.dumps({"bytes": body[0], "sha256": body[1]})
            case "/search":
                return await self.search(request.query.get("q", ""))
            case "/hang":
                return self.set({"hang": request.query.get("what", "1")})
            case "/log":
                print(request.query.get("line", ""), flush=True)
                return 200, "logged\n"
            case "/oom":
                self.eat(int(request.number("mb", 65536)))
                return 200, "still here\n"
            case "/exit":
                os._exit(int(request.number("code", 1)))
        return 404, "no such page\n"

    async def health(self) -> tuple[int, str]:
        delay = seconds(self.on.health_delay)
        await asyncio.sleep(min(delay, 3600))
        if time.monotonic() - STARTED < seconds(self.on.health_after):
            return 503, "starting\n"
        return int(self.on.health_status), self.on.health_body + "\n"

    def set(self, values: dict[str, str]) -> tuple[int, str]:
        for name, value in values.items():
            if not hasattr(self.on, name):
                return 400, f"no switch {name!r}; there are {', '.join(vars(self.on))}\n"
            setattr(self.on, name, value)
        return 200, json.dumps(vars(self.on))

    def fails(self) -> bool:
        """Whether this request is one of the share that gets a 500: spread evenly, so that any run counts the same."""
        self.requests += 1
        now = time.monotonic()
        self.first_request = min(self.first_request, now)
        after = self.on.error_after
        if after.endswith("s"):
            if now - self.first_request < seconds(after):
                return False
        elif self.requests <= int(after):
            return False
        self.error_debt += float(self.on.error_rate)
        if self.error_debt < 1:
            return False
        self.error_debt -= 1
        return True

    async def search(self, query: str) -> tuple[int, str]:
        if not self.on.search_url:
            return 200, f"{self.on.service} {self.on.version} found nothing for {query!r}\n"
        ask = urllib.request.Request(self.on.search_url, headers={"Connection": "close"})
        deadline = time.monotonic() + 8
        while True:  # it may just be restarting
            try:
                answer = await asyncio.to_thread(lambda: urllib.request.urlopen(ask, timeout=2).read())
            except OSError as error:
                if time.monotonic() > deadline:
                    return 502, f"search: {error}\n"
                await asyncio.sleep(0.2)
            else:
                return 200, answer.decode(errors="replace")

    def eat(self, megabytes: int) -> None:
        for _ in range(megabytes):
            self.hoard.append(bytearray(os.urandom(1024) * 1024))

    async def stream(self, request: Request, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, int]:
        """Server-sent events."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n")
        writer.write(f"X-Version: {self.on.version}\r\nConnection: close\r\n\r\n".encode())
        size = 0
        for number in range(int(request.number("events", 10))):
            event = f"id: {number}\ndata: {self.on.version}\n\n".encode()
            size += len(event)
            writer.write(event)
            await writer.drain()
            await asyncio.sleep(request.number("ms", 100) / 1000)
        request.keep_alive = False
        return 200, size

    async def download(
        self, request: Request, _: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, int]:
        """`mb` megabytes, spread over `seconds`."""
        chunk = b"0123456789abcdef" * 4096
        chunks = int(request.number("mb", 1) * 16)
        pause = request.number("seconds", 0) / max(chunks, 1)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {chunks * len(chunk)}\r\n".encode())
        writer.write(f"Content-Type: application/octet-stream\r\nX-Version: {self.on.version}\r\n\r\n".encode())
        for _number in range(chunks):
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)
        return 200, chunks * len(chunk)

    async def websocket(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, int]:
        """Echo, each text frame with the version before it; unfragmented frames up to 64 KiB."""
        key = request.headers.get("sec-websocket-key", "")
        if not key:
            return 400, self.answer(writer, 400, "a WebSocket, please\n", keep_alive=request.keep_alive)
        accept = base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET_GUID).digest()).decode()
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(f"Sec-WebSocket-Accept: {accept}\r\nX-Version: {self.on.version}\r\n\r\n".encode())
        size = 0
        while True:
            opcode, payload = await self.frame(reader)
            if opcode == 0x8:  # close: echo it and be done
                writer.write(bytes([0x88, len(payload)]) + payload)
                await writer.drain()
                return -101, size
            if opcode == 0x9:
                writer.write(bytes([0x8A, len(payload)]) + payload)
            elif opcode in (0x1, 0x2):
                text = f"{self.on.version}: ".encode() + payload
                head = bytes([0x81, len(text)]) if len(text) < 126 else struct.pack("!BBH", 0x81, 126, len(text))
                writer.write(head + text)
                size += len(text)
            await writer.drain()

    async def frame(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
        elif length == 127:
            raise ConnectionResetError
        mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
        payload = await reader.readexactly(length)
        return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))

    # --- life -----------------------------------------------------------------------------------------------------

    def log(self, request: Request, status: int, size: int, took: float) -> None:
        line = log_line(self.on.log_format, request, abs(status), size, took)
        if line and request.path != "/log":
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    async def serve(self) -> None:
        await asyncio.sleep(float(os.environ.get("START_DELAY", "0")))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: None if self.on.ignore_sigterm == "1" else stop.set())
        port = int(os.environ.get("PORT", "3000"))
        server = await asyncio.start_server(self.connection, "0.0.0.0", port, backlog=1024)
        say("listening", port=port, service=self.on.service, version=self.on.version)
        if after := os.environ.get("EXIT_AFTER"):
            loop.call_later(
                seconds(after), lambda: (print("fatal: out of luck", file=sys.stderr, flush=True), os._exit(3))
            )
        await stop.wait()
        self.stopping = True
        server.close()
        for writer in tuple(self.idle):
            writer.close()
        deadline = time.monotonic() + float(self.on.grace)
        while self.busy and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        say("stopped", cut=self.busy)
        os._exit(0)  # requests past the grace period are cut, without tracebacks

    async def work(self) -> None:
        """A service without a port: it only does things, and says so."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        done = 0
        while not stop.is_set():
            done += 1
            say("job done", number=done, version=self.on.version)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), float(os.environ.get("WORKER_INTERVAL", "1")))
        say("stopped", jobs=done)


def log_line(style: str, request: Request, status: int, size: int, took: float) -> str:
    path, agent = request.path, request.headers.get("user-agent", "-")
    if style == "json":
        fields = {"level": "error" if status >= 500 else "info", "method": request.method, "path": path}
        return json.dumps(fields | {"status": status, "bytes": size, "duration_ms": round(took * 1000, 3)})
    if style == "logfmt":
        level = "error" if status >= 500 else "info"
        return f"level={level} method={request.method} path={path} status={status} bytes={size} duration={took:.6f}"
    if style == "nginx":
        at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        return f'127.0.0.1 - - [{at}] "{request.method} {path} HTTP/1.1" {status} {size} "-" "{agent}" {took:.3f}'
    return ""


def say(message: str, **fields: object) -> None:
    print(json.dumps({"level": "info", "message": message} | fields), flush=True)


if __name__ == "__main__":
    if code := os.environ.get("EXIT_AT_START"):
        print(f"leaving at once with {code}, as asked", file=sys.stderr, flush=True)
        sys.exit(int(code))
    if sys.argv[1:] == ["report"]:
        say("nothing was sold", day=time.strftime("%Y-%m-%d"))
        sys.exit(0)
    shop = Shop()
    asyncio.run(shop.work() if sys.argv[1:] == ["worker"] else shop.serve())
