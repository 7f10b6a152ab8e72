"""From routes to the tables a proxy looks requests up in.

A request belongs to the most specific host that has an entry for its path: the exact name, else the longest matching
wildcard, else any host. Among one host's entries the longest path prefix wins, cut at `/` only: `/api` takes `/api`
and `/api/users`, never `/apix`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from monitor.domain.deploy.spec import AUTO, RouteSpec, TlsFiles
from monitor.domain.proxy.routes import ServiceRoute
from monitor.domain.proxy.settings import ProxySettings
from monitor.errors import ProxyError

ANY_HOST: Final = "*"
FILES: Final = "s"  # no host that can have a certificate: it has no dot


@dataclass(frozen=True, slots=True)
class Entry:
    """A public entry. `host` is a name, `*.` and a name, or `*`; `prefix` has no trailing slash but for the root.

    `secured` says when plain requests are sent to https: never when it is empty, always for FILES, else once there is a
    certificate for that host.
    """

    host: str
    prefix: str
    service: str
    strip: bool
    secured: str
    number: int = 0  # which of the service's routes

    @property
    def key(self) -> str:
        """What a request's host and path, with a slash behind, must begin with."""
        return f"{self.host}{self.prefix.rstrip('/')}/"


@dataclass(frozen=True, slots=True)
class Listener:
    """An internal port. One service has it alone; several are told apart by the name they are called by."""

    port: int
    services: tuple[tuple[str, str], ...]  # name, service

    @property
    def only(self) -> str | None:
        return self.services[0][1] if len(self.services) == 1 else None


@dataclass(frozen=True, slots=True)
class Certificate:
    files: TlsFiles
    hosts: tuple[str, ...]
    service: str = ""  # the first that names it; empty for the proxy's own


def entries(routes: Sequence[ServiceRoute], settings: ProxySettings) -> list[Entry]:
    """Every public entry, longest path first within a host."""
    found = [
        Entry(
            host=host.lower().rstrip("."),
            prefix=spec.path.rstrip("/") or "/",
            service=route.service,
            strip=spec.strip and spec.path.strip("/") != "",
            secured=_secured(_tls(spec, settings), host) if settings.redirect_https else "",
            number=number,
        )
        for route in routes
        for number, spec in enumerate(route.public)
        for host in spec.host or (ANY_HOST,)
    ]
    return sorted(found, key=lambda entry: (entry.host, -len(entry.prefix), entry.prefix))


def wildcards(found: Sequence[Entry]) -> list[str]:
    """The wildcard hosts, the most specific first."""
    hosts = {entry.host for entry in found if entry.host.startswith("*.")}
    return sorted(hosts, key=lambda host: (-len(host), host))


def listeners(routes: Sequence[ServiceRoute]) -> list[Listener]:
    """Every internal port with the services that are called there."""
    ports: dict[int, list[tuple[str, str]]] = {}
    for route in routes:
        if route.internal is not None:
            name, _, port = route.internal.rpartition(":")
            ports.setdefault(int(port), []).append((name.lower(), route.service))
    return [Listener(port, tuple(sorted(services))) for port, services in sorted(ports.items())]


def certificates(routes: Sequence[ServiceRoute], settings: ProxySettings) -> list[Certificate]:
    """Every certificate once, the default one first, with the hosts it is for."""
    hosts: dict[TlsFiles, list[str]] = {settings.tls: []} if isinstance(settings.tls, TlsFiles) else {}
    services: dict[TlsFiles, str] = {}
    for route in routes:
        for spec in route.public:
            if isinstance(spec.tls, TlsFiles) and spec.tls != settings.tls:
                hosts.setdefault(spec.tls, []).extend(host.lower() for host in spec.host)
                services.setdefault(spec.tls, route.service)
    return [Certificate(files, tuple(sorted(set(names))), services.get(files, "")) for files, names in hosts.items()]


def automatic(routes: Sequence[ServiceRoute], settings: ProxySettings) -> dict[str, str]:
    """Every host that gets its certificate by ACME, with the service that names it first; in order."""
    found: dict[str, str] = {}
    for route in sorted(routes, key=lambda route: route.service):
        for spec in route.public:
            if _tls(spec, settings) == AUTO:
                for host in spec.host:
                    found.setdefault(host.lower().rstrip("."), route.service)
    return dict(sorted(found.items()))


def _tls(spec: RouteSpec, settings: ProxySettings) -> TlsFiles | Literal["auto"] | None:
    """A route's own, else the proxy's. An entry for every host has no name that a certificate could be for."""
    chosen = spec.tls or settings.tls
    return None if chosen == AUTO and not spec.host else chosen


def _secured(tls: TlsFiles | Literal["auto"] | None, host: str) -> str:
    if tls is None:
        return ""
    return host.lower().rstrip(".") if tls == AUTO else FILES


def binds(routes: Sequence[ServiceRoute], settings: ProxySettings) -> dict[str, str]:
    """Every address the proxy listens on, and what for.

    Raises:
        ProxyError: one address is wanted for two things.
    """
    wanted = [(address, "proxy.listen") for address in settings.listen]
    if certificates(routes, settings) or automatic(routes, settings):
        wanted += [(address, "proxy.tls_listen") for address in settings.tls_listen]
    for listener in listeners(routes):
        names = " and ".join(service for _, service in listener.services)
        wanted += [(f"{address}:{listener.port}", f"internal of {names}") for address in settings.internal_listen]
    if settings.peering is not None:
        wanted.append((settings.peering.listen, "proxy.peer_port"))
    found: dict[str, str] = {}
    for address, purpose in wanted:
        if address in found:
            raise ProxyError(
                f"{address} is wanted twice: {found[address]} and {purpose}",
                hint="give one of them another port or address in bgmon.yml",
            )
        found[address] = purpose
    return found
