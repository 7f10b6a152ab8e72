"""What a route asks of the proxy besides where to send requests."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, field_validator

from monitor.config.base import Duration, Model, Size

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$&'*+.^_`|~-]{1,100}")
_VALUE: Final = re.compile(r"[\x20-\x7e]{0,1000}")
# How a body is framed is the proxy's business, and a wrong word there breaks the connection.
_FRAMING: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "te", "trailer"}
)
_USER: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")
# SHA-256 and SHA-512 of crypt(3), which the C libraries of all HAProxy images know.
_HASH: Final = re.compile(r"\$[56]\$(?:rounds=[0-9]{4,9}\$)?[A-Za-z0-9./]{1,16}\$[A-Za-z0-9./]{43,86}")


def network(value: object) -> str:
    """An address or a network in its plain form. Raises ValueError."""
    try:
        return str(ipaddress.ip_network(str(value).strip(), strict=True))
    except ValueError as error:
        raise ValueError(f"{str(value)[:60]!r} is no address or network such as 10.0.0.0/8: {error}") from None


Network = Annotated[str, BeforeValidator(network)]


def as_tuple(value: object) -> object:
    """One text stands for a list of it."""
    return [value] if isinstance(value, str) else value


class EntryTimeouts(Model):
    server: Duration | None = Field(default=None, gt=0)
    """Longest silence of the service before its answer, instead of `proxy.timeouts.server`."""
    tunnel: Duration | None = Field(default=None, gt=0)
    """Longest silence on a WebSocket, instead of `proxy.timeouts.tunnel`."""


class EntrySection(Model):
    """Part of a route."""

    max_body: Size | None = Field(default=None, ge=0)
    """Longest request body; a longer one is answered 413, one that does not say its length beforehand 411."""
    timeouts: EntryTimeouts = EntryTimeouts()
    """Time-outs of these requests."""
    headers: dict[str, str] = {}
    """Headers to set in every answer of the service, for instance `Strict-Transport-Security: max-age=31536000`."""
    redirect: bool = False
    """Send requests for the further hosts to the first one (308)."""
    allow: Annotated[tuple[Network, ...], BeforeValidator(as_tuple)] = ()
    """Addresses and networks that may call; all others are answered 403. None allows everybody."""
    basic_auth: dict[str, str] = Field(default={}, repr=False)
    """User names with the hash of their passwords, from `openssl passwd -6`; the password itself is written nowhere."""
    compress: bool = False
    """Compress text with gzip for clients that take it. It applies to all routes of the service."""

    @field_validator("headers")
    @classmethod
    def _plain_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name) or name.lower() in _FRAMING:
                raise ValueError(f"{name[:60]!r} is no header that can be set")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"the value of {name} may hold printable ASCII alone, 1000 characters at most")
        return headers

    @field_validator("basic_auth", mode="before")
    @classmethod
    def _hashes(cls, users: Any) -> Any:
        """Before anything else, so that no message repeats what may be a password."""
        if not isinstance(users, dict):
            raise ValueError("is a mapping of user names to hashes")
        for name, secret in users.items():
            if not _USER.fullmatch(str(name)):
                raise ValueError("a user name may hold letters, digits and . _ @ -")
            if not isinstance(secret, str) or not _HASH.fullmatch(secret):
                raise ValueError(f"{name}: is no SHA-256 or SHA-512 hash; make one with: openssl passwd -6")
        return users
