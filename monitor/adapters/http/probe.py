"""The gate's probe: one blocking HTTP request over a fresh connection."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from typing import Final

from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer

_MAX_BODY: Final = 64 * 1024


class HttpProber:
    """The Prober port on http.client: no redirects, no pool, and far quicker to import than any HTTP library."""

    def probe(self, address: str, port: int, policy: HealthPolicy, *, timeout: float | None = None) -> ProbeAnswer:
        limit = policy.timeout if timeout is None else timeout
        began = time.monotonic()
        connection = _connection(address, port, policy, limit)
        # A socket's own time-out starts anew with each byte that trickles in; this one does not.
        deadline = threading.Timer(limit, _cut, (connection,))
        deadline.start()
        try:
            answer = _ask(connection, policy, began)
        except (OSError, http.client.HTTPException, ValueError) as failure:
            error = f"no answer within {limit:g} s" if time.monotonic() - began >= limit else _words(failure)
            return ProbeAnswer(status=0, error=error, seconds=time.monotonic() - began)
        finally:
            deadline.cancel()
            connection.close()
        if time.monotonic() - began >= limit:  # cut in mid-body: http.client takes that for an end
            return ProbeAnswer(status=0, error=f"no answer within {limit:g} s", seconds=time.monotonic() - began)
        return answer


def _connection(address: str, port: int, policy: HealthPolicy, limit: float) -> http.client.HTTPConnection:
    if policy.scheme == "http":
        return http.client.HTTPConnection(address, port, timeout=limit)
    # It is our own container on loopback, whose certificate cannot name 127.0.0.1.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    return http.client.HTTPSConnection(address, port, timeout=limit, context=context)


def _ask(connection: http.client.HTTPConnection, policy: HealthPolicy, began: float) -> ProbeAnswer:
    headers = {"User-Agent": "bgmon", "Connection": "close", **policy.headers}
    connection.request("GET", policy.path or "/", headers=headers)
    response = connection.getresponse()
    body = response.read(_MAX_BODY)
    return ProbeAnswer(
        status=response.status,
        body=body.decode(errors="replace"),
        headers=tuple((name.lower(), value) for name, value in response.getheaders()),
        seconds=time.monotonic() - began,
    )


def _cut(connection: http.client.HTTPConnection) -> None:
    sock: socket.socket | None = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it ended by itself at the same moment


def _words(failure: Exception) -> str:
    if isinstance(failure, ConnectionRefusedError):
        return "connection refused"
    if isinstance(failure, http.client.RemoteDisconnected | http.client.IncompleteRead | ConnectionResetError):
        return "connection closed before the answer was complete"
    return str(failure) or type(failure).__name__
