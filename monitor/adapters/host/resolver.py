"""Names, as this machine resolves them. Nothing is kept: each call asks anew."""

from __future__ import annotations

import socket


def resolve(name: str) -> tuple[str, ...]:
    """The addresses of a name, sorted; none when there is no such name, or nobody could be asked."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(sorted({str(address[0]) for *_, address in found}))
