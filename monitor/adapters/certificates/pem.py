"""What PEM files hold: certificates, chains and keys."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from monitor.domain.certificates import CertificateFacts
from monitor.domain.printable import printable
from monitor.errors import CertificateError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_KEY: Final = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----.+?-----END (?:[A-Z]+ )?PRIVATE KEY-----", re.DOTALL)
_PLACEHOLDER_DAYS: Final = 3650
_KEPT: Final = 256  # files; the daemon's rounds and scrapes ask for the same ones again and again


@lru_cache(maxsize=_KEPT)
def checked(pem: bytes) -> CertificateFacts:
    """What the first certificate of a file says, if a server can use it: with a whole chain and that one's key.

    Raises:
        CertificateError: with what is wrong.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    first = _chain(pem)[0]
    found = _KEY.search(pem)
    if found is None:
        raise CertificateError("it holds no whole private key")
    try:
        key = serialization.load_pem_private_key(found[0], password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"its private key cannot be read: {printable(str(error), 120)}") from None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != first.public_key().public_bytes(*form):
        raise CertificateError("its private key belongs to another certificate")
    return _facts(first)


def new_key() -> bytes:
    """A private key, P-256, in PEM."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return _pem(ec.generate_private_key(ec.SECP256R1()))


def placeholder() -> bytes:
    """A self-signed certificate with its key: what is shown for a name that has no certificate yet."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "no certificate yet")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(days=_PLACEHOLDER_DAYS))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM) + _pem(key)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _chain(pem: bytes) -> list[x509.Certificate]:
    from cryptography import x509

    if pem.count(b"-----BEGIN ") != pem.count(b"-----END "):
        raise CertificateError("it is cut off: a PEM block in it has no end")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise CertificateError(f"it holds no certificate that can be read: {printable(str(error), 120)}") from None


def _facts(certificate: x509.Certificate) -> CertificateFacts:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, ValueError):
        hosts = ()
    try:
        issuer = certificate.issuer.rfc4514_string()
    except ValueError:
        issuer = ""
    return CertificateFacts(
        names=hosts,
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        issuer=printable(issuer, 200),
    )
