"""How the proxy is set up, apart from what it routes. Durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from monitor.domain.deploy.spec import TlsFiles
from monitor.domain.proxy.peering import Peering


@dataclass(frozen=True, slots=True)
class ProxyTimeouts:
    connect: float = 0.03
    client: float = 60.0
    server: float = 60.0
    keep_alive: float = 15.0
    tunnel: float = 3600.0


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """`privileged` says that it starts as root, to bind low ports, and gives root up once it listens."""

    listen: tuple[str, ...] = ("0.0.0.0:80",)
    tls_listen: tuple[str, ...] = ("0.0.0.0:443",)
    tls: TlsFiles | Literal["auto"] | None = None
    redirect_https: bool = True
    internal_listen: tuple[str, ...] = ("127.0.0.1",)
    timeouts: ProxyTimeouts = ProxyTimeouts()
    retries: int = 1000
    reuse_connections: bool = True
    max_connections: int = 20000
    max_header: int = 64 * 1024  # bytes of the head of a request or an answer
    max_headers: int = 250  # lines of it
    maintenance_page: str | None = None
    trusted: tuple[str, ...] = ()  # networks whose word on the client counts
    accept_proxy: tuple[str, ...] = ()  # listeners on which those peers may send the PROXY protocol
    privileged: bool = False
    peering: Peering | None = None  # the other hosts' proxies
