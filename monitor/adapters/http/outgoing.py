"""What all our HTTP clients share, so that each request costs no 40 ms and leaves no secret in the log."""

from __future__ import annotations

import functools
import logging
import ssl

from monitor import __version__


@functools.cache
def tls() -> ssl.SSLContext:
    """One for all. SSL_CERT_FILE and SSL_CERT_DIR of the environment count, for private authorities."""
    import httpx  # only those who send pay for it

    for name in ("httpx", "httpcore"):  # they write every URL into the log, tokens included
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.create_ssl_context()


def headers(token: str | None = None) -> dict[str, str]:
    """Who asks, and the right to."""
    ours = {"User-Agent": f"bgmon/{__version__}"}
    return ours if token is None else {**ours, "Authorization": f"Bearer {token}"}
