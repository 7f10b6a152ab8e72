"""The `proxy:` section."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from monitor.config.base import MAX_PORT, Duration, Model, Size, Word, parse_address, parse_host, parse_port
from monitor.config.entry import Network, as_tuple
from monitor.config.tls import AcmeSection, TlsSection

LOWEST_PORT = 1024
_LARGEST_SUBNET, _SMALLEST_SUBNET = 16, 28


def _port_range(value: object) -> object:
    """`20000-29999` as two numbers.

    Raises:
        ValueError: it is no range of unprivileged ports.
    """
    if not isinstance(value, str):
        return value
    low, _, high = value.partition("-")
    try:
        return (first := parse_port(low, least=LOWEST_PORT)), parse_port(high, least=first + 1)
    except ValueError:
        raise ValueError(f"{value!r} is no port range such as 20000-29999") from None


def _bracketed(address: str) -> str:
    """`::1` as it stands before a port."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


class TimeoutsSection(Model):
    connect: Duration = Field(default=0.03, gt=0)
    """Longest wait for a connection on loopback; also the pause between two tries at a container that restarts."""
    client: Duration = 60.0
    server: Duration = 60.0
    """Longest silence of a service before its answer; also between two server-sent events."""
    keep_alive: Duration = 15.0
    tunnel: Duration = 3600.0
    """Longest silence on a WebSocket."""


class ProxySection(Model):
    driver: Literal["haproxy"] = "haproxy"
    run: Literal["container", "process"] = "container"
    image: Word = "haproxy:3.2-alpine"
    binary: str = "haproxy"
    """With `run: process`: the program to start."""
    listen: tuple[str, ...] = ("0.0.0.0:80",)
    tls_listen: tuple[str, ...] = ("0.0.0.0:443",)
    """Where TLS is served once any certificate is declared."""
    tls: TlsSection | Literal["auto"] | None = None
    """Default certificate, for routes without one of their own; `auto` gets one by ACME for each host of theirs."""
    acme: AcmeSection = AcmeSection()
    """Where `tls: auto` gets certificates."""
    redirect_https: bool = True
    internal_listen: tuple[str, ...] = ("127.0.0.1",)
    """Addresses on which `internal:` ports are bound. Set the host's private address to let other hosts call."""
    peer_port: int | None = Field(default=None, ge=1, le=MAX_PORT)
    """Port on each host's private address where the hosts' proxies hand requests of `internal` services on to each
    other; free on every host. None: each proxy leads to its own host alone."""
    reach: Literal["auto", "address", "port"] = "auto"
    """How containers are reached: by their own `address` on the project's network, or by a `port` published on
    loopback. `auto` takes the address where the engine's bridge is on this host, which `bgmon doctor` tells."""
    subnet: str | None = None
    """Subnet of the project's network, such as 10.99.4.0/24, where those that the engine chooses clash with a VPN or
    a VPC. Each service takes two addresses."""
    ports: Annotated[tuple[int, int], BeforeValidator(_port_range)] = (20000, 29999)
    """Host ports on 127.0.0.1 that containers are published on where they are not reached by their address."""
    timeouts: TimeoutsSection = TimeoutsSection()
    retries: int = Field(default=1000, ge=0, le=10000)
    """How often a connection is tried again that was refused, `timeouts.connect` apart (1 s at most): the cushion for a
    container that restarts, 30 s by default. A request that was sent is sent again once at most, all the same."""
    reuse_connections: bool = True
    """Keep connections to services open between requests. `false` opens one for each: half the requests a second for
    the smallest answers, for a service that closes idle connections carelessly."""
    max_connections: int = Field(default=20000, ge=10)
    max_header: Size = Field(default=64 * 1024, ge=8 * 1024, le=1024 * 1024)
    """Largest head, with all its headers, of a request or an answer; each one under way may take that much memory."""
    max_headers: int = Field(default=250, ge=50, le=10_000)
    """Most headers of a request or an answer."""
    maintenance_page: str | None = None
    """An HTML file to show instead of bgmon's own maintenance page."""

    trusted: Annotated[tuple[Network, ...], BeforeValidator(as_tuple)] = ()
    """Balancers in front of the proxy, as addresses or networks: their X-Forwarded-For and -Proto are kept and added
    to, and the client that they name is the one in the access log. Everybody else's are replaced."""
    accept_proxy: tuple[str, ...] = ()
    """Which of `listen` and `tls_listen` take the PROXY protocol from trusted peers."""

    @model_validator(mode="after")
    def _proxied_listeners(self) -> ProxySection:
        for address in self.accept_proxy:
            if address not in (*self.listen, *self.tls_listen):
                raise ValueError(f"accept_proxy: {address!r} is not among listen and tls_listen")
        if self.accept_proxy and not self.trusted:
            raise ValueError("accept_proxy needs trusted: who may say whose connection it is?")
        return self

    @field_validator("subnet")
    @classmethod
    def _subnet(cls, subnet: str | None) -> str | None:
        if subnet is None:
            return None
        try:
            network = IPv4Network(subnet)
        except ValueError:
            raise ValueError(f"{subnet!r} is no IPv4 subnet such as 10.99.4.0/24") from None
        if not network.is_private or not _LARGEST_SUBNET <= network.prefixlen <= _SMALLEST_SUBNET:
            raise ValueError(f"{subnet} is not private, or not between /{_LARGEST_SUBNET} and /{_SMALLEST_SUBNET}")
        return str(network)

    @field_validator("listen", "tls_listen")
    @classmethod
    def _addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            parse_address(address, example="0.0.0.0:80 or [::]:80")
        return addresses

    @field_validator("internal_listen")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_bracketed(parse_host(host.removeprefix("[").removesuffix("]"))) for host in hosts)
