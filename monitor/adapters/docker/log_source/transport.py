"""The engine's API over a plain socket.

Docker's own library reads a log frame by frame, with two small reads each; here whole buffers are cut up, and a stream
can be ended from another thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from monitor import masking
from monitor.errors import NotFound, SourceError, SourceUnreachable

CONNECT_SECONDS: Final = 10.0
_RECEIVE: Final = 256 * 1024
_MAX_HEAD: Final = 64 * 1024
_NOT_FOUND: Final = 404
_OK: Final = 200


class EngineHttp:
    """Makes connections to one engine, at unix:///path or tcp://host:port.

    TLS is used as Docker's variables DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say. Every call raises SourceUnreachable
    when the engine does not answer, or its address has another form.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._unix = parts.path if parts.scheme in {"unix", "http+unix"} else ""
        self._address = (parts.hostname or "", parts.port or 2375)
        self._possible = bool(self._unix) or parts.scheme in {"tcp", "http", "https"}

    def get(self, path: str, parameters: dict[str, str]) -> Any:
        """A JSON answer."""
        with contextlib.closing(self.stream(path, parameters, timeout=CONNECT_SECONDS * 3)) as stream:
            text = b"".join(stream.chunks())
        try:
            return json.loads(text)
        except ValueError as error:
            raise SourceError(f"Docker engine: {path}: {error}") from None

    def stream(self, path: str, parameters: dict[str, str], *, timeout: float | None = None) -> Stream:
        """An answer that may have no end. `timeout` bounds the wait for each part of it."""
        connection = self._connect()
        try:
            connection.settimeout(CONNECT_SECONDS * 3)
            target = f"{path}?{urlencode(parameters)}"
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n".encode())
            stream = Stream(connection, path)
            connection.settimeout(timeout)
        except OSError as error:
            connection.close()
            raise SourceUnreachable(f"Docker engine at {self.url}: {error}") from None
        except BaseException:
            connection.close()
            raise
        return stream

    def _connect(self) -> socket.socket:
        if not self._possible:
            raise SourceUnreachable(
                f"logs cannot be read through {self.url}",
                hint="run the command on the host itself, or set logs.source: loki",
            )
        try:
            if self._unix:
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                try:
                    connection.settimeout(CONNECT_SECONDS)
                    connection.connect(self._unix)
                except BaseException:
                    connection.close()
                    raise
                return connection
            plain = socket.create_connection(self._address, timeout=CONNECT_SECONDS)
            context = _tls()
            return context.wrap_socket(plain, server_hostname=self._address[0]) if context else plain
        except OSError as error:
            raise SourceUnreachable(
                f"Docker engine at {self.url}: {error}", hint="does the engine run, and may you use it?"
            ) from None


class Stream:
    """One answer: its head is read at once, its body as it comes.

    Raises:
        NotFound: the container is gone.
        SourceError: the engine refuses.
        SourceUnreachable: it hangs up.
    """

    def __init__(self, connection: socket.socket, path: str) -> None:
        self._connection = connection
        self._closed = False
        head, self._rest = self._head()
        status = int(head[0].split(None, 2)[1])
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.decode("latin-1").partition(":") for line in head[1:])
        }
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._length = int(headers["content-length"]) if "content-length" in headers else None
        if status != _OK:
            text = b"".join(self.chunks()).decode(errors="replace")
            with contextlib.suppress(ValueError, TypeError, KeyError):
                text = str(json.loads(text)["message"])
            message = f"Docker engine: {path}: {status}: {masking.shown(text.strip(), 500)}"
            raise NotFound(message) if status == _NOT_FOUND else SourceError(message)

    def _head(self) -> tuple[list[bytes], bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            part = self._connection.recv(_RECEIVE)
            if not part or len(data) > _MAX_HEAD:
                raise SourceUnreachable("Docker engine: it hung up before it answered")
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        return head.split(b"\r\n"), rest

    def chunks(self) -> Iterator[bytes]:
        """The body in parts as large as they come. Ends where the answer ends, or when the stream is closed.

        Raises SourceUnreachable when the connection breaks inside of the answer.
        """
        return self._chunks() if self._chunked else self._plain()

    def _plain(self) -> Iterator[bytes]:
        left = self._length
        data = self._rest
        while left is None or left > 0:
            data = data or self._receive()
            if not data:
                return
            yield data
            left = None if left is None else left - len(data)
            data = b""

    def _chunks(self) -> Iterator[bytes]:
        data = self._rest
        while True:
            parts: list[bytes] = []
            at = 0
            while True:
                end = data.find(b"\r\n", at)
                if end < 0:
                    break
                size = int(data[at:end].partition(b";")[0], 16)
                if size == 0:
                    if parts:
                        yield b"".join(parts)
                    return
                if len(data) < end + 2 + size + 2:
                    break
                parts.append(data[end + 2 : end + 2 + size])
                at = end + 2 + size + 2
            if parts:
                yield b"".join(parts)
            data = data[at:]
            more = self._receive()
            if not more:
                if self._closed:
                    return
                raise SourceUnreachable("Docker engine: it hung up in the middle of a log")
            data += more

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(_RECEIVE)
        except OSError as error:
            if self._closed:
                return b""
            raise SourceUnreachable(f"Docker engine: {error}") from None

    def close(self) -> None:
        """End it; a thread that waits for more sees the end at once."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def _tls() -> ssl.SSLContext | None:
    verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or "~/.docker").expanduser()
    if not verify and not os.environ.get("DOCKER_TLS"):
        return None
    context = ssl.create_default_context(cafile=str(folder / "ca.pem") if verify else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if (folder / "cert.pem").exists():
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
