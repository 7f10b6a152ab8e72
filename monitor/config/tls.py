"""TLS certificates in bgmon.yml: files of one's own, or got by ACME."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pydantic import Field

from monitor.config.base import Model

# A name that an authority can vouch for: labels of a public DNS name, two of them at least.
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)+(?!\d+\.?$){_LABEL}\.?", re.IGNORECASE)
_LONGEST: Final = 253


class TlsSection(Model):
    cert: str
    """Certificate chain, PEM."""
    key: str | None = None
    """Private key, PEM; not needed when `cert` holds it."""


class AcmeSection(Model):
    """Who uses `tls: auto` agrees to the terms of service of the authority."""

    directory: str = Field(default="https://acme-v02.api.letsencrypt.org/directory", pattern=r"^https?://")
    """The ACME server (RFC 8555)."""
    staging: str = Field(default="https://acme-staging-v02.api.letsencrypt.org/directory", pattern=r"^https?://")
    """The server that `bgmon certs test` asks, whose certificates nobody trusts."""
    email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    """Where the authority may write to."""
    ca: str | None = None
    """PEM file to verify the ACME server itself with, when it is a private one."""
    precheck: bool = True
    """See first whether a name leads to this host, since failed tries at a public server are limited."""


def check_names(hosts: Iterable[str]) -> None:
    """Raises ValueError for a host that no authority gives a certificate for."""
    for host in hosts:
        if not _NAME.fullmatch(host) or len(host) > _LONGEST:
            raise ValueError(f"tls: auto: {host!r} is no public name that a certificate can be got for")
