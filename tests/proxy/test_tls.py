"""TLS from certificate files, HTTP/2, and the way from http to https."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.domain.deploy.spec import RouteSpec, TlsFiles
from monitor.domain.proxy.routes import Slot
from monitor.errors import ProxyError
from tests.support.proxies import ProxyWorld, route
from tests.support.upstream import Upstream

pytestmark = pytest.mark.proxy


def certificate(folder: Path, name: str) -> TlsFiles:
    """A self-signed one, certificate and key in two files."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        cwd=folder, check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return TlsFiles(f"{name}.crt", f"{name}.key")


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
    assert world.driver.save_config(routes), "a new certificate needs a reload"
    assert curl(world, tls_port, "shop.test") == "old GET /"


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
    with pytest.raises(ProxyError, match=r"certificate-0\.pem"):
        world.driver.boot([route("core", RouteSpec(("a.test",), tls=TlsFiles("bad.crt")))])
    assert not list((world.folder / "proxy").rglob("*.pem"))
    assert not world.driver.status().running
