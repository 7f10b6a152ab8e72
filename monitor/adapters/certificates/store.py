"""Certificates got by ACME and the accounts for it, as files: all of them 0600, each replaced by one rename."""

from __future__ import annotations

import hashlib
import json
import logging
import ssl
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from monitor.adapters.host import privatefile
from monitor.domain.certificates import Attempts, CertificateFacts
from monitor.errors import CertificateError

log = logging.getLogger(__name__)

_PLACEHOLDER = "placeholder.pem"


class FileCertificates:
    """The CertificateStore port in `folder`, which is made 0700.

    Args:
        folder: where they are.
        base: what relative paths in bgmon.yml start from.
    """

    def __init__(self, folder: Path, base: Path) -> None:
        self._folder = folder
        self._base = base
        self._whole: dict[str, tuple[int, int]] = {}  # looked through already, by what stat says

    def read(self, host: str) -> bytes | None:
        path = self._path(host, "pem")
        try:
            stat = path.stat()
            if self._whole.get(host) != (stamp := (stat.st_mtime_ns, stat.st_ino)):
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path)
                self._whole[host] = stamp
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except ssl.SSLError as error:
            log.warning("%s cannot be used, and is got anew: %s", path, error)
            return None
        except OSError as error:
            raise CertificateError(f"{path}: {error.strerror}") from None

    def placeholder(self) -> bytes:
        path = self._folder / _PLACEHOLDER
        try:
            return path.read_bytes()
        except FileNotFoundError:
            from monitor.adapters.certificates.pem import placeholder  # made once in the life of a host

            made = placeholder()
            self._write(path, made)
            return made
        except OSError as error:
            raise CertificateError(f"{path}: {error.strerror}") from None

    def save(self, host: str, pem: bytes) -> None:
        self._write(self._path(host, "pem"), pem)

    def facts(self, pem: bytes) -> CertificateFacts:
        from monitor.adapters.certificates.pem import checked

        return checked(pem)

    def own(self, cert: str, key: str | None) -> bytes:
        try:
            chain = (self._base / Path(cert).expanduser()).read_bytes()
            return chain if key is None else chain + b"\n" + (self._base / Path(key).expanduser()).read_bytes()
        except OSError as error:
            raise CertificateError(f"{error.filename}: {error.strerror}") from None

    def attempts(self, host: str) -> Attempts:
        try:
            return Attempts(**json.loads(self._path(host, "json").read_bytes()))
        except FileNotFoundError:
            return Attempts()
        except (OSError, ValueError, TypeError) as error:
            log.warning("what was tried for %s is forgotten: %s", host, error)
            return Attempts()

    def remember(self, host: str, attempts: Attempts) -> None:
        self._write(self._path(host, "json"), json.dumps(asdict(attempts)).encode())

    def account(self, directory: str) -> str | None:
        """The account with that server, as it was saved. Raises CertificateError."""
        try:
            return self._account_file(directory).read_text()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CertificateError(f"{self._account_file(directory)}: {error}") from None

    def save_account(self, directory: str, text: str) -> None:
        self._write(self._account_file(directory), text.encode())

    def forget_account(self, directory: str) -> None:
        """The server does not know it any more; the file stays beside, for it holds a key."""
        path = self._account_file(directory)
        self._guard(lambda: path.replace(path.with_suffix(".old")))

    def _account_file(self, directory: str) -> Path:
        return self._folder / f"account-{hashlib.sha256(directory.encode()).hexdigest()[:12]}.json"

    def _path(self, host: str, kind: str) -> Path:
        assert "/" not in host, "config sees to it"
        return self._folder / f"host-{host.replace('*', '_')}.{kind}"

    def _write(self, path: Path, data: bytes) -> None:
        def write() -> None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            privatefile.replace(path, data)

        self._guard(write)

    def _guard(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            raise CertificateError(f"{self._folder}: {error.strerror}", hint="is the disk full or read-only?") from None
