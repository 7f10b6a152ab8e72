"""The one prober: the gate, the daemon, `bgmon doctor` and `bgmon watch --once` all ask with it.

On h11 and asyncio's streams: importing aiohttp takes a quarter of a second, which every deploy would pay, and two
clients never agree on every odd answer.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlsplit

import h11

from monitor.adapters.http.body import MAX_BODY, as_text
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer, probe_url
from monitor.domain.sealing import fill
from monitor.errors import UsageError

Values = Callable[[tuple[str, ...]], Mapping[str, str]]

_READ: Final = 64 * 1024
_MAX_HEAD: Final = 64 * 1024
_PORTS: Final = {"http": 80, "https": 443}
_CUT_SHORT: Final = "connection closed before the answer was complete"
_SAFE_IN_A_TARGET: Final = "%/:=&?~+!$,;'@()*[]"


class HttpProber:
    """The AsyncProber port: one GET over a connection of its own, whose answer is judged elsewhere.

    - Asks for a body that is not compressed; one that is all the same is unpacked (gzip, deflate).
    - Redirects are not followed, answers 1xx are skipped, a body is cut at 64 KiB.
    - The time-out is for everything, from the look-up of the name to the last byte.
    - No connection is kept: a service that accepts no new ones would look healthy for as long as an old one lives.
    - No name is cached, so that a changed DNS record is seen by the next probe.

    Args:
        values: gives the values of the policy's secret variables; a UsageError says which are missing.
    """

    def __init__(self, values: Values) -> None:
        self._values = values

    async def probe(self, url: str, policy: HealthPolicy) -> ProbeAnswer:
        began = time.monotonic()
        try:
            target, headers = self._opened(url, policy)
            async with asyncio.timeout(policy.timeout):
                answer = await _ask(target, headers)
        except UsageError as missing:
            answer = ProbeAnswer(status=0, error=str(missing))
        except TimeoutError:
            answer = ProbeAnswer(status=0, error=f"no answer within {policy.timeout:g} s")
        except (OSError, ValueError, h11.ProtocolError) as failure:
            answer = ProbeAnswer(status=0, error=_words(failure, url))
        return replace(answer, seconds=time.monotonic() - began)

    async def close(self) -> None:
        """Nothing is kept between two probes."""

    def _opened(self, url: str, policy: HealthPolicy) -> tuple[str, Mapping[str, str]]:
        """What is asked and sent, with the secret values in it."""
        if not policy.variables:
            return url, policy.headers
        values = self._values(policy.variables)
        return fill(url, values), {name: fill(text, values) for name, text in policy.headers.items()}


class BlockingProber:
    """The Prober port: the same probe for those who run no event loop. `values` as for HttpProber."""

    def __init__(self, values: Values) -> None:
        self._prober = HttpProber(values)

    def probe(self, address: str, port: int, policy: HealthPolicy) -> ProbeAnswer:
        return asyncio.run(self._prober.probe(probe_url(policy, port, address), policy))


async def _ask(url: str, headers: Mapping[str, str]) -> ProbeAnswer:
    parts = urlsplit(url)
    host = parts.hostname or ""
    tls = _unverified() if parts.scheme == "https" else None
    target = quote(parts._replace(scheme="", netloc="").geturl() or "/", safe=_SAFE_IN_A_TARGET)
    request = h11.Request(method="GET", target=target, headers=_headers(parts.netloc, headers))
    reader, writer = await asyncio.open_connection(host, parts.port or _PORTS[parts.scheme], ssl=tls)
    try:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        writer.write((client.send(request) or b"") + (client.send(h11.EndOfMessage()) or b""))
        return await _read(client, reader)
    finally:
        writer.transport.abort()  # whatever it still has to say is of no interest


def _headers(netloc: str, given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Ours, each of which a header of the same name in the policy replaces."""
    ours = {
        "Host": netloc,
        "User-Agent": "bgmon",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    named = {name.lower() for name in given}
    return [*((name, value) for name, value in ours.items() if name.lower() not in named), *given.items()]


async def _read(client: h11.Connection, reader: asyncio.StreamReader) -> ProbeAnswer:
    head: h11.Response | None = None
    body = bytearray()
    while len(body) < MAX_BODY:
        event = client.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(_READ)
            if not data and client.their_state is h11.SEND_RESPONSE:
                raise ConnectionResetError(_CUT_SHORT)
            client.receive_data(data)
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
    assert head is not None
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    text, unreadable = as_text(bytes(body[:MAX_BODY]), dict(headers))
    return ProbeAnswer(status=head.status_code, body=text, headers=headers, unreadable=unreadable)


@functools.cache
def _unverified() -> ssl.SSLContext:
    """It is our own container on loopback, whose certificate cannot name 127.0.0.1."""
    return ssl._create_unverified_context()  # noqa: S323, SLF001


def _words(failure: Exception, url: str) -> str:
    if isinstance(failure, socket.gaierror):
        return f"the name {urlsplit(url).hostname} cannot be looked up"
    if isinstance(failure, ConnectionRefusedError):
        return "connection refused"
    if isinstance(failure, ConnectionError):
        return _CUT_SHORT
    if isinstance(failure, h11.RemoteProtocolError):
        text = str(failure)
        return _CUT_SHORT if "without sending complete message" in text else f"no HTTP answer: {text}"
    return str(failure) or type(failure).__name__
