"""The proxy's files: rendered, checked by HAProxy itself, and put in place one rename at a time."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from monitor.adapters.host import privatefile
from monitor.domain.proxy.routes import ServiceRoute
from monitor.domain.proxy.settings import ProxySettings
from monitor.domain.proxy.table import Certificate
from monitor.errors import CertificateError, ProxyError
from monitor.ports.certificates import IssuedCertificates
from monitor.render.haproxy import CHALLENGES_MAP, CONFIG, RenderedProxy, render

log = logging.getLogger(__name__)

_CHECK_FOLDER = "check"


class ProxyFiles:
    """What HAProxy reads, in `folder` (all files 0600: private keys are among them).

    The folder is 0700, or 0711 where HAProxy gives root up: its workers must reach their own socket in it by name.

    Args:
        folder: where they are.
        settings: how the proxy is set up.
        base: what relative paths of certificates and pages in bgmon.yml start from.
        issued: the certificates that were got by ACME.
    """

    def __init__(self, folder: Path, settings: ProxySettings, base: Path, issued: IssuedCertificates) -> None:
        self.folder = folder
        self._settings = settings
        self._base = base
        self._issued = issued

    def prepare(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if self._settings.privileged:
                self.folder.chmod(0o711)
        except OSError as error:
            raise ProxyError(f"{self.folder}: {error.strerror}") from None

    def render(self, routes: Sequence[ServiceRoute]) -> tuple[RenderedProxy, dict[str, bytes]]:
        """Everything, certificates included, as bytes by file name.

        Raises:
            ProxyError: a certificate or page cannot be read, or one address is wanted for two things.
        """
        page = None
        if self._settings.maintenance_page is not None:
            page = self._read(self._settings.maintenance_page, "proxy.maintenance_page").decode(errors="replace")
        issued = cache(self._issued.read)
        rendered = render(
            routes,
            self._settings,
            maintenance_page=page,
            issued=lambda host: issued(host) is not None,
            challenges=(self._previous(CHALLENGES_MAP) or b"").decode(errors="replace"),
        )
        secrets = {name: self._combine(name, certificate) for name, certificate in rendered.certificates}
        for name, host in rendered.automatic:
            secrets[name] = issued(host) or self._issued.placeholder()
        return rendered, {**{name: text.encode() for name, text in rendered.files.items()}, **secrets}

    def on_disk(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for path in self.folder.glob("*"):
            if path.suffix in {".cfg", ".map", ".html", ".list", ".pem"}:
                with suppress(OSError):
                    found[path.name] = path.read_bytes()
        return found

    def check(self, files: Mapping[str, bytes], checker: Callable[[Path], str]) -> None:
        """Have HAProxy read them in a folder of their own.

        Raises:
            ProxyError: with what HAProxy said.
        """
        folder = self.folder / _CHECK_FOLDER
        self.prepare()
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
            for name, data in files.items():
                privatefile.write(folder / name, data)
            said = checker(folder)
        except OSError as error:
            raise ProxyError(f"{folder}: {error.strerror}") from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if said:
            raise ProxyError(
                f"HAProxy does not take the configuration rendered for {self.folder / CONFIG}:\n{said}",
                hint="the running proxy is untouched; look at it with: bgmon proxy boot --dry-run",
            )

    def install(self, files: Mapping[str, bytes]) -> None:
        """Put them in place, the configuration last, and take away what is no longer among them.

        Raises:
            ProxyError: the folder cannot be written; no file is half written.
        """
        self.prepare()
        present = self.on_disk()
        try:
            for name in sorted(files, key=lambda name: name == CONFIG):
                if present.get(name) != files[name]:
                    privatefile.replace(self.folder / name, files[name])
            for name in present.keys() - files.keys():
                (self.folder / name).unlink(missing_ok=True)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ProxyError(f"{self.folder}: {error.strerror}", hint="is the disk full or read-only?") from None

    def addresses(self) -> tuple[str, ...]:
        """What the configuration in place listens on."""
        text = self.on_disk().get(CONFIG, b"").decode(errors="replace")
        return tuple(re.findall(r"^\s+bind (?!unix@)(\S+)", text, re.MULTILINE))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name: str, data: bytes) -> None:
        """Put one file in place.

        Raises:
            ProxyError: the folder cannot be written.
        """
        try:
            privatefile.replace(self.folder / name, data)
        except OSError as error:
            raise ProxyError(f"{self.folder}: {error.strerror}", hint="is the disk full or read-only?") from None

    def _combine(self, name: str, certificate: Certificate) -> bytes:
        """What a person's files hold now, or held when they were last usable.

        A deploy or a proxy that starts must not fail because a certificate is being written, or was renewed wrongly.
        The daemon tells of it.
        """
        previous = self._previous(name)
        try:
            data = self._own(certificate)
            if previous is None or data == previous:
                return data
            from monitor.adapters.certificates.pem import checked  # costs a tenth of a second

            checked(data)
        except (ProxyError, CertificateError) as error:
            if previous is None:
                raise
            log.warning("%s: %s; the last good one stays in use", certificate.files.cert, error)
            return previous
        return data

    def _previous(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def _own(self, certificate: Certificate) -> bytes:
        chain = self._read(certificate.files.cert, "tls.cert")
        if certificate.files.key is None:
            return chain
        return chain.rstrip() + b"\n" + self._read(certificate.files.key, "tls.key")

    def _read(self, name: str, key: str) -> bytes:
        path = self._base / Path(name).expanduser()
        try:
            return path.read_bytes()
        except OSError as error:
            raise ProxyError(f"{path}: {error.strerror}", hint=f"correct {key} in bgmon.yml") from None
