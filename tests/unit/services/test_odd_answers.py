"""Each odd answer means the same to all who ask: the gate, the bake, the daemon, `--once` and doctor."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from gzip import compress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from monitor.adapters.host.clock import SystemClock
from monitor.adapters.http.prober import BlockingProber, HttpProber
from monitor.domain.containers import ContainerSpec
from monitor.domain.deploy.spec import HealthPolicy, Limits
from monitor.domain.health.probing import probe_url
from monitor.domain.proxy.reach import LOOPBACK
from monitor.errors import GateFailed
from monitor.services.deploy import gate, judge
from monitor.services.deploy.doctor import probe_once
from monitor.services.watchdog.observer import Target
from monitor.services.watchdog.one_shot import OneShot
from monitor.services.watchdog.probing import Probing
from monitor.testing.engine import FakeEngine
from tests.support.odd_server import Habit, odd_server, sends, sends_and_stays, sends_for_ever
from tests.support.secretless import no_values

TEXT = "état: all is well, and stays so"
BODY = TEXT.encode()
RAW_DEFLATE = zlib.compressobj(wbits=-15)
RAW = RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush()


def answer(body: bytes = BODY, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def unless(header: bytes, then: bytes, otherwise: bytes) -> Habit:
    return lambda head, connection: connection.sendall(then if header in head.lower() else otherwise)


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@dataclass(frozen=True)
class Odd:
    """`said` is why it is not healthy, in part; empty when it is."""

    name: str
    habit: Habit
    said: str = ""
    policy: dict[str, Any] = field(default_factory=lambda: {"body": "état: all"})
    ipv6: bool = False
    tls: bool = False


HEAD_ONLY = unless(b"head /", answer(b""), answer(b"use HEAD", "Allow: HEAD", status="405 Method Not Allowed"))
ODDS = (
    Odd("plain", sends(answer())),
    Odd("gzip though not asked for", sends(answer(compress(BODY), "Content-Encoding: gzip"))),
    Odd("gzip when it may", unless(b"accept-encoding: identity", answer(), answer(b"?", "Content-Encoding: br"))),
    Odd("gzip in parts", sends(answer(compress(BODY[:9]) + compress(BODY[9:]), "Content-Encoding: x-gzip"))),
    Odd("gzip that is none", sends(answer(BODY, "Content-Encoding: gzip")), "its body is not the gzip that its headers"),
    Odd("packed, and nobody wants the body", sends(answer(BODY, "Content-Encoding: gzip")), policy={}),
    Odd("a packed text that is another", sends(answer(compress(b"sick"), "Content-Encoding: gzip")), "does not hold"),
    Odd("a gigabyte packed", sends(answer(compress(bytes(10_000_000)), "Content-Encoding: gzip")), "does not hold"),
    Odd("br", sends(answer(b"\x8b\x0a\x80packed\x03", "Content-Encoding: br")), "packed with br, which was not asked for"),
    Odd("br, and nobody wants the body", sends(answer(b"\x8b\x0a\x80x\x03", "Content-Encoding: br")), policy={}),
    Odd("deflate", sends(answer(zlib.compress(BODY), "Content-Encoding: deflate"))),
    Odd("deflate without its frame", sends(answer(RAW, "Content-Encoding: deflate"))),
    Odd("chunked", sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(BODY[:9], BODY[9:]))),
    Odd("chunked and cut off", sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(BODY)[:20]), "closed before"),
    Odd("chunked and packed", sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(compress(BODY)))),
    Odd("204", sends(b"HTTP/1.1 204 No Content\r\n\r\n"), policy={"status": ("200-299",)}),
    Odd("204 where 200 is wanted", sends(b"HTTP/1.1 204 No Content\r\n\r\n"), "status 204 is not 200", policy={}),
    Odd("HEAD only", HEAD_ONLY, "status 405 is not 200"),
    Odd("1xx before 200", sends(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 102 Processing\r\n\r\n", answer())),
    Odd("close without length", sends(b"HTTP/1.1 200 OK\r\n\r\n", BODY)),
    Odd("shorter than its length", sends(answer()[:-5]), "closed before the answer was complete"),
    Odd("endless body", sends_for_ever(b"HTTP/1.1 200 OK\r\n\r\n" + BODY, b"x" * 10_000, 0)),
    Odd("endless body that trickles", sends_for_ever(b"HTTP/1.1 200 OK\r\n\r\n" + BODY, b"x", 0.02), "no answer within 0.5 s"),
    Odd("Latin-1", sends(answer(TEXT.encode("latin-1"), "Content-Type: text/plain; charset=ISO-8859-1"))),
    Odd("Latin-1 that does not say so", sends(answer(TEXT.encode("latin-1"))), "the body does not hold"),
    Odd("Latin-1 in headers", sends(answer(BODY, "X-Name: \xe9t\xe9", status="200 Tr\xe8s bien"))),
    Odd("an unknown charset", sends(answer(BODY, "Content-Type: text/plain; charset=klingon"))),
    Odd("BOM", sends(answer(b"\xef\xbb\xbf" + BODY)), policy={"body": "état"}),
    Odd("UTF-16 with a BOM", sends(answer(b"\xff\xfe" + TEXT.encode("utf-16-le")))),
    Odd("HTTP/1.0", sends(b"HTTP/1.0 200 OK\r\n\r\n", BODY)),
    Odd("keep-alive refused", sends(answer(BODY, "Connection: close"))),
    Odd("keep-alive insisted on", sends_and_stays(answer(BODY, "Connection: keep-alive"))),
    Odd("IPv6", sends(answer()), ipv6=True),
    Odd("self-signed", sends(answer()), policy={"scheme": "https", "body": "état"}, tls=True),
    Odd("TLS where none is asked for", sends(answer()), "closed before", policy={"scheme": "http"}, tls=True),
    Odd("a redirect", sends(answer(b"", "Location: /login", status="302 Found")), "to /login (not followed"),
    Odd("headers of its own", unless(b"host: shop.example.com\r\n", answer(), answer(status="400 Bad")), policy={"headers": {"host": "shop.example.com"}}),
    Odd("503", sends(answer(status="503 Down")), "status 503 is not 200"),
    Odd("SSH", sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "no HTTP answer"),
    Odd("30 KiB of headers", sends(answer(BODY, *(f"X-{n}: {'y' * 1000}" for n in range(30))))),
)  # fmt: skip


def policy_of(odd: Odd) -> HealthPolicy:
    given = {
        "mode": "http",
        "path": "/health",
        "interval": 0.02,
        "timeout": 0.5,
        "start": 0.0,
        "failures": 2,
        **odd.policy,
    }
    return HealthPolicy(**given)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", file, "-out", file.with_suffix(".crt"), "-days", "2", "-subj", "/CN=elsewhere"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file.with_suffix(".crt"), file)
    return context


class Elsewhere:
    """The blocking prober, at the address where this test's server is."""

    def __init__(self, address: str) -> None:
        self._address = address

    def probe(self, address: str, port: int, policy: HealthPolicy) -> Any:
        del address
        return BlockingProber(no_values).probe(self._address, port, policy)


def deploy_deps(address: str) -> Any:
    clock = SystemClock()
    engine = FakeEngine(time.time)
    engine.build("core:v1")
    container = engine.create(ContainerSpec("core", "core:v1", {}))
    engine.start(container.id)
    return container.id, SimpleNamespace(
        engine=engine,
        clock=clock,
        prober=Elsewhere(address),
        cancelled=lambda: False,
        tell=lambda *_, **__: None,
        host=SimpleNamespace(listening_ports=lambda _: ()),
        secrets=SimpleNamespace(kept=lambda _: {}),
    )


def by_gate(policy: HealthPolicy, address: str, port: int) -> str:
    ref, deps = deploy_deps(address)
    spec: Any = SimpleNamespace(name="core", limits=Limits(), port=None, init=True)
    try:
        gate.pass_gate(deps, spec, policy, container=ref, at=cast("Any", SimpleNamespace(address=LOOPBACK, port=port)))
    except GateFailed as failure:
        return str(failure)
    return ""


def by_bake(policy: HealthPolicy, address: str, port: int) -> str:
    ref, deps = deploy_deps(address)
    candidate: Any = SimpleNamespace(color="green", address=LOOPBACK, port=port)
    looks = judge.Judge(deps, cast("Any", None), policy, cast("Any", None), ref, candidate, None)
    return "unhealthy" if looks._unhealthy() else ""


def by_doctor(policy: HealthPolicy, address: str, port: int) -> str:
    _, deps = deploy_deps(address)
    release: Any = SimpleNamespace(deploy="core-1", address=LOOPBACK, port=port)
    return probe_once(deps, release, policy)


def by_daemon(policy: HealthPolicy, address: str, port: int) -> str:
    async def story() -> str:
        told = asyncio.Event()
        target = Target("life", probe_url(policy, port, address), policy)
        targets = {"core": target}

        async def fine() -> str:
            return ""

        probing = Probing(
            HttpProber(no_values),
            lambda: targets,
            on_verdict=lambda _: told.set(),
            selfcheck=fine,
            on_offline=lambda _: None,
            clock=SystemClock(),
        )
        running = asyncio.create_task(probing.run())
        await asyncio.wait_for(told.wait(), 20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        verdict = probing.verdict("core", "life")
        assert verdict is not None
        return verdict.detail

    return asyncio.run(story())


def by_once(policy: HealthPolicy, address: str, port: int) -> str:
    deps: Any = SimpleNamespace(clock=SystemClock())
    shot = OneShot.__new__(OneShot)
    shot._deps, shot._verdicts = deps, {}
    asyncio.run(shot._judge(HttpProber(no_values), "core", Target("life", probe_url(policy, port, address), policy)))
    verdict = shot._verdict("core", "life")
    assert verdict is not None
    return verdict.detail


ASKERS: dict[str, Callable[[HealthPolicy, str, int], str]] = {
    "gate": by_gate, "bake": by_bake, "doctor": by_doctor, "daemon": by_daemon, "once": by_once,
}  # fmt: skip


@pytest.mark.parametrize("odd", ODDS, ids=lambda odd: odd.name)
def test_an_odd_answer_means_the_same_to_all_who_ask(odd: Odd, certificate: ssl.SSLContext) -> None:
    policy = policy_of(odd)
    patient = replace(policy, start=10.0)  # the gate alone knows no verdict without it
    with odd_server(odd.habit, ipv6=odd.ipv6, tls=certificate if odd.tls else None) as port:
        address = "::1" if odd.ipv6 else "127.0.0.1"
        said = {
            name: ask(patient if name == "gate" and not odd.said else policy, address, port)
            for name, ask in ASKERS.items()
        }
    assert {name: bool(text) for name, text in said.items()} == dict.fromkeys(ASKERS, bool(odd.said))
    assert all(odd.said in text for name, text in said.items() if name != "bake")
