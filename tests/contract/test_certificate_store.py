"""The CertificateStore port: the fake and the files keep the same promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.adapters.certificates.pem import placeholder
from monitor.adapters.certificates.store import FileCertificates
from monitor.domain.certificates import Attempts, CertificateFacts
from monitor.errors import CertificateError
from monitor.ports.certificates import CertificateStore
from monitor.testing.certificates import FakeCertificates, as_pem


@pytest.fixture(params=["fake", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CertificateStore:
    return FakeCertificates() if request.param == "fake" else FileCertificates(tmp_path / "certificates", tmp_path)


def test_what_is_kept_is_found_again(store: CertificateStore) -> None:
    pem = placeholder() if isinstance(store, FileCertificates) else as_pem(CertificateFacts((), 0.0, 1.0))
    for host in ("a.test", "*.a.test"):
        assert store.read(host) is None
        assert store.attempts(host) == Attempts()
        store.save(host, pem)
        store.remember(host, Attempts(failures=len(host), error="no"))
    for host in ("a.test", "*.a.test"):
        assert store.read(host) == pem
        assert store.attempts(host) == Attempts(failures=len(host), error="no")
    found = store.facts(pem)
    assert found.not_before < found.not_after
    assert store.placeholder() == store.placeholder()


def test_what_cannot_be_used_is_an_error(store: CertificateStore) -> None:
    with pytest.raises(CertificateError):
        store.facts(b"rubbish")
    with pytest.raises(CertificateError, match=r"none\.pem: No such file"):
        store.own("none.pem", None)
