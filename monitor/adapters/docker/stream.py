"""Answers that come bit by bit, for calls that the SDK has no suitable method for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import docker
import docker.errors
import requests
from docker.types import CancellableStream

CONNECT_TIMEOUT = 10.0


def request(
    client: docker.APIClient,
    method: str,
    path: str,
    *,
    params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    json: object = None,
    read_timeout: float | None,
) -> requests.Response:
    """Ask, and leave the body to be read. Raises what the SDK raises.

    The connection is used for this alone, so that cutting it can never hit another call.
    """
    response: requests.Response = client.request(
        method,
        f"{client.base_url}/v{client.api_version}{quote(path)}",
        params=params,
        headers={"Connection": "close", **(headers or {})},
        json=json,
        stream=True,
        timeout=(CONNECT_TIMEOUT, read_timeout),
    )
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)
    return response


class Tap:
    """Chunks of an answer. One thread reads; any thread may close, which ends the reading quietly."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self._chunks: Iterator[bytes] = response.iter_content(None)
        self._reading = threading.Lock()
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._reading:
            chunk = None
            try:
                if not self.closed:
                    chunk = next(self._chunks, None)
            except Exception:
                if not self.closed:
                    raise
            finally:
                if chunk is None:
                    self.closed = True
                    self._response.close()
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        self.closed = True
        # The reader hangs in recv: shutting the socket down wakes it, and it closes the answer itself.
        with contextlib.suppress(Exception):
            CancellableStream(iter(()), self._response).close()
        if self._reading.acquire(blocking=False):
            self._response.close()
            self._reading.release()
