"""Certificates by ACME, as the keeper of them needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from monitor.domain.certificates import Attempts, CertificateFacts


class IssuedCertificates(Protocol):
    """What was got by ACME, by host name. Each call raises CertificateError when a file cannot be read."""

    def read(self, host: str) -> bytes | None:
        """Chain and key in PEM; None without one."""
        ...

    def placeholder(self) -> bytes:
        """What is shown until there is one: self-signed, always the same. Raises CertificateError."""
        ...


class CertificateStore(IssuedCertificates, Protocol):
    """Raises CertificateError when the disk does not take something."""

    def save(self, host: str, pem: bytes) -> None: ...

    def attempts(self, host: str) -> Attempts: ...

    def remember(self, host: str, attempts: Attempts) -> None: ...

    def facts(self, pem: bytes) -> CertificateFacts:
        """What a chain with its key says. Raises CertificateError when a server could not use it."""
        ...

    def own(self, cert: str, key: str | None) -> bytes:
        """A person's own files, by the paths in bgmon.yml. Raises CertificateError."""
        ...


Prove = Callable[[Mapping[str, str]], None]


class Authority(Protocol):
    """An ACME server.

    Each call raises AuthorityUnreachable when it does not answer, CertificateError when it says no, or gives what is
    no certificate for the name.
    """

    def issue(self, host: str, *, prove: Prove) -> bytes:
        """A certificate for `host`, with a new key, in PEM.

        `prove` is called with what to answer (by token for HTTP; for a wildcard the TXT values by record name), and
        with nothing once that is over.
        """
        ...

    def renewal(self, pem: bytes) -> tuple[float | None, float]:
        """When the server would like this one renewed, if it says so, and when to ask again; unix times."""
        ...


class Reachable(Protocol):
    def __call__(self, host: str, path: str, expected: str) -> str:
        """Ask for `path` on `host` as the ACME server will.

        What is surely wrong; empty when nothing is, or when this host cannot tell.
        """
        ...


class DnsHook(Protocol):
    def __call__(self, action: str, name: str, value: str) -> None:
        """`present` or `cleanup` a TXT record. Raises CertificateError, HookFailed."""
        ...
