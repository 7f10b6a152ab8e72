"""Names, as this machine resolves them. Nothing is kept: each call asks anew."""

from __future__ import annotations

import socket


def in_order(name: str) -> tuple[str, ...]:
    """The addresses of a name, the best to try first; none when there is no such name, or nobody could be asked."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def resolve(name: str) -> tuple[str, ...]:
    """As `in_order`, sorted: the order changes from one answer to the next."""
    return tuple(sorted(in_order(name)))
