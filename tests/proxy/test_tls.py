"""TLS from certificate files, HTTP/2, and the way from http to https."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable

import pytest

from monitor.domain.deploy.spec import RouteSpec, TlsFiles
from monitor.domain.proxy.routes import Slot
from monitor.errors import ProxyError
from tests.support.certificate import certificate
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream

pytestmark = pytest.mark.proxy


def curl(world: ProxyWorld, port: int, host: str, path: str = "/", *options: str) -> str:
    done = subprocess.run(
        [shutil.which("curl") or "curl", "-sS", "--max-time", "10", "--resolve", f"{host}:{port}:127.0.0.1",
         "--cacert", str(world.folder / f"{host}.crt"), *options, f"https://{host}:{port}{path}"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout


def subject(port: int, host: str) -> str:
    """Whose certificate is shown to a client that asks for `host`."""
    context = ssl._create_unverified_context()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=host) as wrapped,
    ):
        shown = wrapped.getpeercert(binary_form=True)
    done = subprocess.run(
        ["openssl", "x509", "-inform", "der", "-noout", "-subject"],
        input=shown,
        capture_output=True,
        check=True,
        timeout=30,
    )
    return done.stdout.decode().rpartition("CN")[2].strip(" =\n")


def test_tls_http2_and_redirect(world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int]) -> None:
    tls_port = free_port()
    default, own = certificate(world.folder, "shop.test"), certificate(world.folder, "own.test")
    world.make(tls={"cert": default.cert, "key": default.key}, tls_listen=(f"127.0.0.1:{tls_port}",))
    own_route = RouteSpec(("own.test",), tls=own)
    routes = [
        route("core", blue=Slot(servers[0].port, "v1", "ready")),
        route("own", own_route, blue=Slot(servers[1].port, "v1", "ready")),
    ]
    world.driver.boot(routes)

    assert curl(world, tls_port, "shop.test", "/", "--http2", "-w", " %{http_version}") == "old GET / 2"
    assert curl(world, tls_port, "shop.test", "/", "--http1.1", "-w", " %{http_version}") == "old GET / 1.1"
    assert curl(world, tls_port, "own.test") == "new GET /"
    assert subject(tls_port, "own.test") == "own.test"
    assert subject(tls_port, "whatever.test") == "shop.test"
    assert servers[0].seen[0][2]["x-forwarded-proto"] == "https"

    redirected = subprocess.run(
        ["curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "-H",
         "Host: Shop.test:80", f"http://127.0.0.1:{world.port}/a/b?c=d"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert redirected.stdout == f"308 https://shop.test:{tls_port}/a/b?c=d"
    assert world.get("/.well-known/acme-challenge/x", host="shop.test")[0] == 200

    for path in (world.folder / "proxy").glob("*.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((world.folder / "proxy").stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)

    certificate(world.folder, "shop.test")  # renewed
    with pytest.raises(subprocess.CalledProcessError):
        curl(world, tls_port, "shop.test")
    assert not world.driver.save_config(routes), "another certificate is taken over without a reload"
    assert curl(world, tls_port, "shop.test") == "old GET /"

    certificate(world.folder, "own.test")
    world.driver.load_certificates(routes)
    assert curl(world, tls_port, "own.test") == "new GET /"


@pytest.mark.parametrize("broken", ["half a chain", "another key", "gone", "no certificate at all"])
def test_a_certificate_file_that_becomes_unusable_takes_nothing_down(
    world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int], broken: str
) -> None:
    """The last good one stays in use: for a switch, a new service, a proxy that starts again."""
    tls_port = free_port()
    own = certificate(world.folder, "own.test")
    world.make(tls_listen=(f"127.0.0.1:{tls_port}",))
    routes = [route("own", RouteSpec(("own.test",), tls=own), blue=Slot(servers[1].port, "v1", "ready"))]
    world.driver.boot(routes)
    shutil.copy(world.folder / "own.test.crt", world.folder / "good.crt")
    path = world.folder / "own.test.crt"
    if broken == "half a chain":
        path.write_bytes(path.read_bytes() + path.read_bytes()[:200])
    elif broken == "another key":
        certificate(world.folder, "other.test")
        shutil.copy(world.folder / "other.test.key", world.folder / "own.test.key")
    elif broken == "gone":
        path.unlink()
    else:
        path.write_text("not yet\n")
    shutil.copy(world.folder / "good.crt", world.folder / "ca.crt")

    def served() -> str:
        return curl(world, tls_port, "own.test", "/", "--cacert", str(world.folder / "ca.crt"))

    more = [*routes, route("more", RouteSpec(path="/more"), blue=Slot(servers[0].port, "v1", "ready"))]
    assert world.driver.save_config(more)
    assert served() == "new GET /"
    world.driver.load_certificates(more)
    assert served() == "new GET /"
    world.driver._runner.stop()
    assert world.driver.boot(more)
    assert served() == "new GET /"
    certificate(world.folder, "own.test")
    shutil.copy(world.folder / "own.test.crt", world.folder / "ca.crt")
    world.driver.load_certificates(more)
    assert served() == "new GET /"


def test_a_certificate_that_was_staged_and_never_committed(
    world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int]
) -> None:
    """Whoever was killed between the two commands leaves nothing that holds up the next one."""
    tls_port = free_port()
    first, second = certificate(world.folder, "a.test"), certificate(world.folder, "b.test")
    world.make(tls_listen=(f"127.0.0.1:{tls_port}",))
    routes = [
        route("a", RouteSpec(("a.test",), tls=first), blue=Slot(servers[0].port, "v1", "ready")),
        route("b", RouteSpec(("b.test",), tls=second), blue=Slot(servers[1].port, "v1", "ready")),
    ]
    world.driver.boot(routes)
    names = sorted(path.name for path in (world.folder / "proxy").glob("*.pem"))
    for name in names:
        world.driver._admin.load(f"set ssl cert {name}", (world.folder / "proxy" / name).read_text())
    for host in ("a.test", "b.test"):
        certificate(world.folder, host)
    world.driver.load_certificates(routes)
    assert curl(world, tls_port, "a.test") == "old GET /"
    assert curl(world, tls_port, "b.test") == "new GET /"


def test_no_redirect_when_it_is_switched_off(
    world: ProxyWorld, servers: list[Upstream], free_port: Callable[[], int]
) -> None:
    own = certificate(world.folder, "own.test")
    world.make(tls_listen=(f"127.0.0.1:{free_port()}",), redirect_https=False)
    world.driver.boot([route("own", RouteSpec(("own.test",), tls=own), blue=Slot(servers[1].port, "v1", "ready"))])
    assert world.get(host="own.test")[0] == 200


def test_a_certificate_that_cannot_be_used(world: ProxyWorld) -> None:
    """Missing: its path. Broken: what HAProxy says. Neither leaves a proxy or a key behind."""
    with pytest.raises(ProxyError, match=r"no\.crt: No such file"):
        world.driver.boot([route("core", RouteSpec(("a.test",), tls=TlsFiles("no.crt")))])
    (world.folder / "bad.crt").write_text("-----BEGIN NOTHING-----\n")
    with pytest.raises(ProxyError, match=r"certificate-[0-9a-f]{12}\.pem"):
        world.driver.boot([route("core", RouteSpec(("a.test",), tls=TlsFiles("bad.crt")))])
    assert not list((world.folder / "proxy").rglob("*.pem"))
    assert not world.driver.status().running
