"""Who may look: a token, compared in constant time; without one, only by the names of this machine's loopback."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from monitor import masking

OPEN: Final = "/healthz"  # says nothing but that the daemon lives; peers and load balancers ask it
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "bgmon",
}


def guard(token: str | None) -> Middleware:
    """The middleware in front of every handler."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="read-only\n", headers={"Allow": "GET, HEAD"})
        if token is None and _host(request.host) not in _LOOPBACK:
            # Else a web page could point a name of its own here, and read along (DNS rebinding).
            return web.Response(status=421, text="this host name is not served without watch.token\n")
        if token is not None and request.path != OPEN and not _knows(request.headers.get("Authorization", ""), token):
            return web.Response(
                status=401,
                text="a token is needed: watch.token, as a Bearer token or as the password of any user\n",
                headers={"WWW-Authenticate": 'Basic realm="bgmon", charset="UTF-8"'},
            )
        response = await handler(request)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            response.body = masking.octets(response.body)
        return response

    return middleware


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, errors and streams too."""
    del request
    for name, value in HEADERS.items():
        response.headers[name] = value


def _host(value: str) -> str:
    """The name out of a Host header: `localhost:9180`, `[::1]:9180`."""
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0].lower()


def _knows(authorization: str, token: str) -> bool:
    scheme, _, value = authorization.partition(" ")
    given = ""
    if scheme.lower() == "bearer":
        given = value.strip()
    elif scheme.lower() == "basic":
        try:
            given = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return False
    # Digests have one length, so that the comparison does not tell the token's.
    sent = given.encode(errors="surrogateescape")  # a header may hold any bytes
    return hmac.compare_digest(hashlib.sha256(sent).digest(), hashlib.sha256(token.encode()).digest())
