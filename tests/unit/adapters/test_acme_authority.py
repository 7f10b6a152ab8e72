"""ACME servers that lie, stall or refuse: each is an error of ours, with what to do, and nothing is taken from them."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from monitor.adapters.certificates.authority import AcmeAuthority
from monitor.adapters.certificates.pem import checked, new_key, placeholder
from monitor.adapters.certificates.store import FileCertificates
from monitor.domain.certificates import Attempts
from monitor.errors import AuthorityUnreachable, BgmonError, CertificateError

Answer = tuple[int, dict[str, str], bytes]


@contextlib.contextmanager
def server(answer: Callable[[str, str], Answer]) -> Iterator[str]:
    """Gives the URL; `answer` is given method and path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = answer(self.command, self.path)
            self.send_response_only(status)
            headers.setdefault("Date", formatdate(usegmt=True))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = _any  # noqa: N815 - names of http.server

        def log_message(self, *_: Any) -> None: ...

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_address[1]}"
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def directory(url: str) -> bytes:
    return json.dumps(
        {name: f"{url}/{name}" for name in ("newNonce", "newAccount", "newOrder", "renewalInfo")}
    ).encode()


def issue(answer: Callable[[str, str], Answer], folder: Path, **options: Any) -> tuple[BgmonError, list[Any]]:
    """The error of one try, and what was to be proven."""
    proven: list[Any] = []
    with server(answer) as url:
        authority = AcmeAuthority(f"{url}/dir", accounts=FileCertificates(folder, folder), **options)
        with pytest.raises(BgmonError) as caught:
            authority.issue("a.test", prove=proven.append)
    return caught.value, proven


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b"{}",
        b"null",
        b'{"newNonce": 3}',
        b'{"newNonce": "http://127.0.0.1:1/", "newAccount": []}',
        b"\xff" * 9,
    ],
)
def test_a_directory_that_is_none(body: bytes, tmp_path: Path) -> None:
    error, proven = issue(lambda *_: (200, {"Content-Type": "application/json"}, body), tmp_path)
    assert isinstance(error, CertificateError | AuthorityUnreachable)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("account")]
    assert not proven


def test_an_answer_without_an_end(tmp_path: Path) -> None:
    error, _ = issue(lambda *_: (200, {}, b"x" * (2 << 20)), tmp_path)
    assert isinstance(error, AuthorityUnreachable)
    assert "has no end" in str(error)


def test_an_answer_that_breaks_off(tmp_path: Path) -> None:
    error, _ = issue(lambda *_: (200, {"Content-Length": "100", "Content-Type": "application/json"}, b"{"), tmp_path)
    assert isinstance(error, AuthorityUnreachable)


@pytest.mark.parametrize("as_date", [False, True])
def test_a_rate_limit_says_how_long_to_wait(as_date: bool, tmp_path: Path) -> None:
    header = formatdate(time.time() + 7200, usegmt=True) if as_date else "7200"
    problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many\x1b[31m certificates"}

    def answer(method: str, path: str) -> Answer:
        if path == "/dir":
            return 200, {"Content-Type": "application/json"}, directory(url)
        if method == "HEAD":
            return 200, {"Replay-Nonce": "abcd"}, b""
        return 429, {"Retry-After": header, "Content-Type": "application/problem+json"}, json.dumps(problem).encode()

    with server(answer) as url:
        authority = AcmeAuthority(f"{url}/dir", accounts=FileCertificates(tmp_path, tmp_path))
        with pytest.raises(CertificateError, match=r"too many\\x1b\[31m certificates \(rateLimited\)") as caught:
            authority.issue("a.test", prove=lambda _: None)
    assert caught.value.retry_after == pytest.approx(7200, abs=60)


@pytest.mark.parametrize(("off", "word"), [(-7200.0, "ahead of"), (7200.0, "behind")])
def test_a_clock_that_is_off_ends_it_before_anything_is_ordered(off: float, word: str, tmp_path: Path) -> None:
    seen: list[str] = []

    def answer(method: str, path: str) -> Answer:
        seen.append(path)
        headers = {"Content-Type": "application/json", "Date": formatdate(time.time() + off, usegmt=True)}
        return 200, headers, directory("http://127.0.0.1:1")

    error, _ = issue(answer, tmp_path)
    assert f"this host's clock is 2.0 hours {word}" in str(error)
    assert "timedatectl" in error.hint
    assert seen == ["/dir"]


def signed(key: ec.EllipticCurvePrivateKey, host: str, start: float, end: float) -> bytes:
    import datetime as dt

    def at(days: float) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7)
        .not_valid_before(at(start))
        .not_valid_after(at(end))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def test_only_the_certificate_that_was_asked_for_is_taken(tmp_path: Path) -> None:
    secret = new_key()
    key: Any = serialization.load_pem_private_key(secret, None)
    authority = AcmeAuthority("http://127.0.0.1:1/dir", accounts=FileCertificates(tmp_path, tmp_path))
    good = signed(key, "a.test", -1, 90)
    assert checked(authority._verified("a.test", secret, good)).names == ("a.test",)
    lies = {
        "is for b.test": signed(key, "b.test", -1, 90),
        "belongs to another certificate": signed(ec.generate_private_key(ec.SECP256R1()), "a.test", -1, 90),
        "is not valid now": signed(key, "a.test", -90, -1),
        "not valid now": signed(key, "a.test", 2, 90),
        "cut off": good[: len(good) // 2],
        "no certificate": b"-----BEGIN CERTIFICATE-----\naaaa\n-----END CERTIFICATE-----\n",
        "cannot be used": b"",
        "no certificate chain": good + placeholder(),
    }
    for why, lie in lies.items():
        with pytest.raises(CertificateError, match=why):
            authority._verified("a.test", secret, lie)


def test_renewal_information(tmp_path: Path) -> None:
    """When the server wishes, within its window; a wish to be asked every second is not granted."""
    key = ec.generate_private_key(ec.SECP256R1())
    start, end = time.time() + 86400, time.time() + 90000
    window = {
        "suggestedWindow": {
            name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for name, at in (("start", start), ("end", end))
        }
    }

    def answer(method: str, path: str) -> Answer:
        body = directory(url) if path == "/dir" else json.dumps(window).encode()
        return 200, {"Content-Type": "application/json", "Retry-After": "1"}, body

    issuer = x509.AuthorityKeyIdentifier(b"12345", None, None)
    import datetime as dt

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=90))
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )
    with server(answer) as url:
        authority = AcmeAuthority(f"{url}/dir", accounts=FileCertificates(tmp_path, tmp_path))
        at, again = authority.renewal(made.public_bytes(serialization.Encoding.PEM))
    assert at is not None
    assert int(start) <= at <= end
    assert again == pytest.approx(time.time() + 3600, abs=60)


def test_what_was_tried_survives_and_a_broken_note_is_no_error(tmp_path: Path) -> None:
    store = FileCertificates(tmp_path, tmp_path)
    store.remember("*.a.test", Attempts(issued_at=1.0, failures=2, error="no", renew_at=5.0))
    assert FileCertificates(tmp_path, tmp_path).attempts("*.a.test") == Attempts(1.0, 2, 0.0, "no", 5.0)
    (tmp_path / "host-_.a.test.json").write_text('{"issued')
    assert store.attempts("*.a.test") == Attempts()
    assert store.placeholder() == store.placeholder()
    assert store.read("a.test") is None
