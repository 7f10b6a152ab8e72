"""Certificates in memory, and an authority that does what a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from monitor.domain.certificates import Attempts, CertificateFacts
from monitor.errors import BgmonError, CertificateError
from monitor.ports.certificates import Prove


def as_pem(facts: CertificateFacts) -> bytes:
    """What stands for a chain with its key."""
    return json.dumps(asdict(facts)).encode()


class FakeCertificates:
    """The CertificateStore port. `files` are a person's own, by path."""

    def __init__(self) -> None:
        self.issued: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self._attempts: dict[str, Attempts] = {}

    def read(self, host: str) -> bytes | None:
        return self.issued.get(host)

    def placeholder(self) -> bytes:
        return b"placeholder"

    def save(self, host: str, pem: bytes) -> None:
        self.issued[host] = pem

    def attempts(self, host: str) -> Attempts:
        return self._attempts.get(host, Attempts())

    def remember(self, host: str, attempts: Attempts) -> None:
        self._attempts[host] = attempts

    def facts(self, pem: bytes) -> CertificateFacts:
        try:
            document = json.loads(pem)
        except ValueError:
            raise CertificateError("it holds no certificate that can be read") from None
        return CertificateFacts(**{**document, "names": tuple(document["names"])})

    def own(self, cert: str, key: str | None) -> bytes:
        del key
        if cert not in self.files:
            raise CertificateError(f"{cert}: No such file or directory")
        return self.files[cert]


class FakeAuthority:
    """The Authority port: certificates of 90 days for whoever proves a name.

    Attributes:
        asked: the hosts that a certificate was wanted for, in order.
        refuse: errors by host, raised once the name was to be proven.
        wish: when it would like certificates renewed.
        looked: how often it was asked for that.
    """

    def __init__(self, now: Callable[[], float], *, lifetime: float = 90 * 86400.0) -> None:
        self._now = now
        self._lifetime = lifetime
        self.asked: list[str] = []
        self.refuse: dict[str, BgmonError] = {}
        self.wish: float | None = None
        self.looked = 0

    def issue(self, host: str, *, prove: Prove) -> bytes:
        self.asked.append(host)
        name = f"_acme-challenge.{host[2:]}" if host.startswith("*.") else f"token-{len(self.asked)}"
        try:
            prove({name: "answer"})
            if host in self.refuse:
                raise self.refuse[host]
        finally:
            prove({})
        now = self._now()
        return as_pem(CertificateFacts((host,), now, now + self._lifetime, "fake"))

    def renewal(self, pem: bytes) -> tuple[float | None, float]:
        del pem
        self.looked += 1
        return self.wish, self._now() + 21600.0
