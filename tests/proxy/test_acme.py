"""`tls: auto` with a real ACME server (pebble) and a real HAProxy."""

from __future__ import annotations

import socket
import ssl
import stat
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.certificates.authority import AcmeAuthority
from monitor.adapters.certificates.reach import HttpReach
from monitor.adapters.host.locks import FileLocks
from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.proxy.routes import ServiceRoute, Slot
from monitor.domain.proxy.table import automatic
from monitor.errors import AuthorityUnreachable, CertificateError
from monitor.services.certificates import CertificateKeeper, KeeperDeps, Wanted
from monitor.testing.alerts import FakeAlerts
from monitor.testing.clock import FakeClock
from tests.support.pebble import Pebble
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream
from tests.support.wait import wait_until

pytestmark = [pytest.mark.proxy, pytest.mark.tools]


class Secured:
    """A proxy, an ACME server, and the keeper between them."""

    def __init__(self, world: ProxyWorld, pebble: Pebble, tls_port: int, *routes: ServiceRoute) -> None:
        self.world, self.pebble, self.tls_port = world, pebble, tls_port
        self.routes = list(routes)
        self.addresses: dict[str, list[str]] = {}
        self.alerts, self.clock = FakeAlerts(), FakeClock()
        self.records: list[tuple[str, str, str]] = []
        world.make(tls_listen=(f"127.0.0.1:{tls_port}",))
        world.driver.boot(self.routes)
        self.directory, self.ca = pebble.directory, str(pebble.ca)
        self.keeper = CertificateKeeper(
            KeeperDeps(
                store=world.certificates,
                authority=self.authority,
                proxy=world.driver,
                routes=lambda: self.routes,
                wanted=lambda: Wanted(automatic(self.routes, world.settings), ()),
                reach=HttpReach(lambda host: self.addresses.get(host, ["127.0.0.1"]), world.port),
                dns=self.dns,
                locks=FileLocks(world.folder / "locks"),
                clock=self.clock,
            ),
            self.alerts,
        )

    def authority(self) -> AcmeAuthority:
        return AcmeAuthority(self.directory, accounts=self.world.certificates, email="ops@shop.test", ca=self.ca)

    def dns(self, action: str, name: str, value: str) -> None:
        self.records.append((action, name, value))
        if action == "present":
            self.pebble.txt(name, value)

    def shown(self, host: str) -> dict[str, Any]:
        """The certificate that a client gets that trusts nobody but the ACME server. Raises ssl.SSLError."""
        context = ssl.create_default_context(cafile=str(self.pebble.root()))
        with (
            socket.create_connection(("127.0.0.1", self.tls_port), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=host) as wrapped,
        ):
            found: Any = wrapped.getpeercert()
            return dict(found)

    def worker(self) -> str:
        return str(self.world.driver._master.ask("show proc"))


@pytest.fixture
def pebble(tmp_path: Path, world: ProxyWorld, free_port: Callable[[], int]) -> Iterator[Pebble]:
    made = Pebble(tmp_path / "pebble", free_port, http_port=world.port)
    yield made
    made.close()


@pytest.fixture
def secured(world: ProxyWorld, pebble: Pebble, servers: list[Upstream], free_port: Callable[[], int]) -> Secured:
    routes = [
        route("core", RouteSpec(("shop.test", "www.shop.test"), tls="auto"), blue=Slot(servers[0].port, "v1", "ready")),
        route("plain", RouteSpec(("plain.test",)), blue=Slot(servers[1].port, "v1", "ready")),
    ]
    return Secured(world, pebble, free_port(), *routes)


def test_first_certificates_come_without_a_reload(secured: Secured) -> None:
    world = secured.world
    before = secured.worker()
    assert world.get(host="shop.test") == (200, "old GET /"), "no redirect before there is a certificate"
    with pytest.raises(ssl.SSLError):
        secured.shown("shop.test")

    secured.keeper.round()

    assert secured.shown("shop.test")["subjectAltName"] == (("DNS", "shop.test"),)
    assert secured.shown("www.shop.test")["subjectAltName"] == (("DNS", "www.shop.test"),)
    assert world.get(host="shop.test")[0] == 308
    assert world.get(host="plain.test")[0] == 200
    assert [line.split()[0] for line in secured.worker().splitlines() if " worker " in line] == [
        line.split()[0] for line in before.splitlines() if " worker " in line
    ], "no reload"
    assert [(state.name, state.service, state.error) for state in secured.keeper.states()] == [
        ("shop.test", "core", ""),
        ("www.shop.test", "core", ""),
    ]
    assert secured.alerts.kinds("fired") == []
    for path in (world.folder / "certificates").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (world.folder / "proxy" / "challenges.map").read_text() == "", "what was asked for is taken away again"

    issued = secured.pebble.log().count("Issued certificate")
    secured.keeper.round()
    assert secured.pebble.log().count("Issued certificate") == issued, "nothing is due"

    assert not world.driver.save_config(secured.routes), "a restart would find the same"
    world.driver.reload(secured.routes)
    assert secured.shown("shop.test")["subjectAltName"] == (("DNS", "shop.test"),)


def test_renewal_under_load_breaks_no_handshake(secured: Secured) -> None:
    secured.keeper.round()
    context = ssl.create_default_context(cafile=str(secured.pebble.root()))
    results: Counter[str] = Counter()
    serials: set[str] = set()
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            try:
                with (
                    socket.create_connection(("127.0.0.1", secured.tls_port), timeout=10) as raw,
                    context.wrap_socket(raw, server_hostname="shop.test") as wrapped,
                ):
                    wrapped.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
                    answer = b""
                    while piece := wrapped.recv(4096):
                        answer += piece
                    results["200" if answer.startswith(b"HTTP/1.1 200") else answer[:20].decode()] += 1
                    found: Any = wrapped.getpeercert()
                    serials.add(str(found["serialNumber"]))
            except OSError as error:
                results[repr(error)] += 1

    def more(handshakes: int) -> None:
        goal = results["200"] + handshakes
        wait_until(lambda: results["200"] > goal, what=f"handshakes: {results}")

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            more(20)
            secured.keeper.renew("shop.test")
        wait_until(lambda: len(serials) == 4, what=f"every certificate to be seen: {results}")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(results) == {"200"}
    assert results["200"] > 60


def test_renewal_comes_at_two_thirds_of_the_lifetime(secured: Secured) -> None:
    secured.keeper.round()
    first = secured.shown("shop.test")["serialNumber"]
    state = secured.keeper.states()[0]
    assert state.facts is not None
    secured.clock.advance(state.facts.lifetime * 2 / 3 - 60)
    secured.keeper.round()
    assert secured.shown("shop.test")["serialNumber"] == first
    secured.clock.advance(120)
    secured.keeper.round()
    assert secured.shown("shop.test")["serialNumber"] != first


def test_a_server_that_is_down_costs_nothing_and_is_tried_again(secured: Secured) -> None:
    secured.pebble.stop()
    secured.keeper.round()
    assert secured.world.get(host="shop.test") == (200, "old GET /")
    assert "does not answer" in secured.keeper.states()[0].error
    assert secured.alerts.kinds("fired") == ["certificate"]
    secured.pebble.start()
    secured.keeper.round()
    assert secured.keeper.states()[0].facts is None, "not before the wait is over"
    secured.clock.advance(301)
    secured.keeper.round()
    assert secured.shown("shop.test")
    assert secured.alerts.kinds("resolved") == ["certificate"]


def test_a_server_that_has_forgotten_us_gets_a_new_account(secured: Secured) -> None:
    secured.keeper.round()
    secured.pebble.stop()
    secured.pebble.start()
    secured.keeper.renew("shop.test")
    assert secured.shown("shop.test")


def test_a_name_that_does_not_lead_here_is_said_before_the_server_tries_it(
    secured: Secured, servers: list[Upstream]
) -> None:
    secured.addresses["shop.test"] = []
    with pytest.raises(CertificateError, match=r"shop\.test does not resolve: make an A or AAAA record"):
        secured.keeper.renew("shop.test")
    with socket.create_server(("127.0.0.2", secured.world.port)) as other:
        threading.Thread(target=_answer_strangely, args=(other,), daemon=True).start()
        secured.addresses["shop.test"] = ["127.0.0.1", "127.0.0.2"]
        with pytest.raises(CertificateError, match=r"shop\.test leads to 127\.0\.0\.2, where another server answers"):
            secured.keeper.renew("shop.test")
    assert "Attempting to validate" not in secured.pebble.log()
    assert secured.keeper.renew("www.shop.test").facts is not None, "one bad name does not hold the others"


def _answer_strangely(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nwelcome")


def test_a_name_that_the_server_cannot_prove(secured: Secured) -> None:
    """Its own words are shown, and the wait grows."""
    secured.pebble.lead("shop.test", "127.0.0.9")
    with pytest.raises(CertificateError, match=r"shop\.test: .*127\.0\.0\.9"):
        secured.keeper.renew("shop.test")
    first = secured.keeper.states()[0]
    assert first.next_try == secured.clock.now() + 300
    assert secured.world.get(host="shop.test")[0] == 200
    secured.clock.advance(301)
    secured.keeper.round()
    assert secured.keeper.states()[0].next_try == secured.clock.now() + 900


def test_a_wildcard_by_the_hook(world: ProxyWorld, pebble: Pebble, servers: list[Upstream], free_port: Any) -> None:
    slot = Slot(servers[0].port, "v1", "ready")
    secured = Secured(world, pebble, free_port(), route("core", RouteSpec(("*.shop.test",), tls="auto"), blue=slot))
    secured.keeper.round()
    assert secured.shown("any.shop.test")["subjectAltName"] == (("DNS", "*.shop.test"),)
    assert [(action, name) for action, name, _ in secured.records] == [
        ("present", "_acme-challenge.shop.test"),
        ("cleanup", "_acme-challenge.shop.test"),
    ]
    assert world.get(host="any.shop.test")[0] == 308


def test_the_proxy_starts_with_a_certificate_file_that_is_broken(secured: Secured) -> None:
    """An automatic one that somebody truncated: the placeholder is shown, and a new one is got."""
    secured.keeper.round()
    path = secured.world.folder / "certificates" / "host-shop.test.pem"
    path.write_bytes(path.read_bytes()[:200])
    secured.world.driver.remove()
    secured.world.driver.boot(secured.routes)
    assert secured.world.get(host="www.shop.test")[0] == 308
    with pytest.raises(ssl.SSLError):
        secured.shown("shop.test")
    secured.keeper.round()
    assert secured.shown("shop.test")


def test_answers_outlive_a_reload(secured: Secured) -> None:
    """A deploy that brings a new service in the middle of a proof costs it nothing."""
    driver, path = secured.world.driver, "/.well-known/acme-challenge/token-1"
    driver.set_challenges({"token-1": "token-1.answer"})
    assert secured.world.get(path, host="any.test") == (200, "token-1.answer")
    assert driver.save_config([*secured.routes, route("more", RouteSpec(path="/more"))])
    assert secured.world.get(path, host="any.test") == (200, "token-1.answer")
    driver.set_challenges({})
    assert secured.world.get(path, host="any.test")[0] == 404
    assert not driver.save_config([*secured.routes, route("more", RouteSpec(path="/more"))])


def test_a_proxy_in_a_container(
    boxed: ProxyWorld, tmp_path: Path, servers: list[Upstream], free_port: Callable[[], int]
) -> None:
    pebble = Pebble(tmp_path / "pebble", free_port, http_port=boxed.port)
    try:
        slot = Slot(servers[0].port, "v1", "ready")
        secured = Secured(boxed, pebble, free_port(), route("core", RouteSpec(("shop.test",), tls="auto"), blue=slot))
        secured.keeper.round()
        first = secured.shown("shop.test")["serialNumber"]
        secured.keeper.renew("shop.test")
        assert secured.shown("shop.test")["serialNumber"] != first
    finally:
        pebble.close()


def test_a_server_that_is_not_trusted(secured: Secured, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", "x.key", "-out", "x.crt", "-subj", "/CN=x"],
        cwd=tmp_path, check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    secured.ca = str(tmp_path / "x.crt")
    with pytest.raises(AuthorityUnreachable, match="cannot be trusted"):
        secured.keeper.renew("shop.test")
