"""HAProxy's configuration, its maps and pages, as text. Every file name in it is relative to the proxy's folder.

Taken by HAProxy 2.6 and later. Maps hold what changes without a reload (the version of each slot, maintenance) and what
must be found fast among a thousand services (hosts and paths: HAProxy indexes them as trees).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from monitor.domain.names import COLORS, Color
from monitor.domain.proxy.peering import Peer
from monitor.domain.proxy.routes import ServiceRoute, Slot
from monitor.domain.proxy.settings import ProxySettings
from monitor.domain.proxy.table import (
    FILES,
    Certificate,
    automatic,
    binds,
    certificates,
    entries,
    listeners,
    wildcards,
)
from monitor.render.entries import COMPRESSED, compressed, entry_rules
from monitor.render.haproxytext import config_template, lines, page_template, pair, version_word, words

if TYPE_CHECKING:
    from markupsafe import Markup

CONFIG: Final = "haproxy.cfg"
ADMIN_SOCKET: Final = "admin.sock"
MASTER_SOCKET: Final = "master.sock"
WAITING_SOCKET: Final = "waiting.sock"
HOSTS_MAP: Final = "hosts.map"
WILDCARDS_MAP: Final = "wildcards.map"
INTERNAL_MAP: Final = "internal.map"
VERSIONS_MAP: Final = "versions.map"
MAINTENANCE_MAP: Final = "maintenance.map"
CERTIFICATES: Final = "certificates.list"
SECURED_MAP: Final = "secured.map"  # hosts whose plain requests are sent to https
CHALLENGES_MAP: Final = "challenges.map"  # what an ACME server asks for, by token
MAINTENANCE_PAGE: Final = "maintenance.html"

# A service's second backend: where a request goes whose first try failed, and waits. `docs/proxy.md` says why.
WAITING: Final = "bgmon:waiting:"
# In the service's own backend the way to the second one; there, the server that refuses every connection.
PARKED: Final = "parked"
# RFC 9110, section 7.2: a name or an address in brackets, and a port. An underscore is no part of a host's name and is
# used all the same.
HOST_PATTERN: Final = r"^([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?[.]?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"
_REWRITE_ROOM: Final = 2048  # bytes: X-Forwarded-* and what routes add
# What is asked whether a color answers, before a request that waits is sent to it. It refuses connections itself.
DOOR: Final = "door-"
COLOR_HEADER: Final = "x-bgmon-color"  # from the second backend to the first, never to a client

_PAGES: Final = {
    "400.html": (
        "Bad request",
        "The address or a header of this request is not allowed.",
    ),
    "403.html": ("Not allowed", "This address is not open to you."),
    "411.html": ("Length required", "A request body must say its length here."),
    "413.html": ("Too large", "This request is larger than the service takes."),
    "404.html": ("Not found", "There is no site at this address."),
    "502.html": (
        "Something went wrong",
        "The service broke off its answer, or its head is larger than %s.",
    ),
    "503.html": ("Not available", "No version of this service is running right now. Please try again in a moment."),
    "504.html": ("No answer in time", "The service took too long to answer. Please try again."),
    MAINTENANCE_PAGE: ("Back soon", "This service is being worked on. Please try again in a few minutes."),
}


@dataclass(frozen=True, slots=True)
class RenderedProxy:
    """`files` are texts by name; `structure` changes when a running proxy must reload to be what they say.

    Certificates are files as well, which whoever writes them has: `certificates` are a person's own, `automatic` hosts
    get theirs by ACME. What is in them is no structure, for a running proxy takes another one over.
    """

    files: Mapping[str, str]
    certificates: tuple[tuple[str, Certificate], ...]
    automatic: tuple[tuple[str, str], ...]  # file, host
    structure: str


def render(
    routes: Sequence[ServiceRoute],
    settings: ProxySettings,
    *,
    maintenance_page: str | None = None,
    issued: Callable[[str], bool] = lambda _: False,
    challenges: str = "",
) -> RenderedProxy:
    """Everything HAProxy reads.

    Args:
        routes: the services, each once.
        settings: the rest.
        maintenance_page: HTML to show instead of bgmon's own page.
        issued: whether a host has a certificate by ACME.
        challenges: the map of ACME challenges as it stands.

    Raises:
        ProxyError: one address is wanted for two things.
    """
    certs = tuple((certificate_file(cert), cert) for cert in certificates(routes, settings))
    auto = tuple((automatic_file(host), host) for host in automatic(routes, settings))
    blank = [replace(route, slots={}, maintenance=False) for route in routes]
    fixed = _files(blank, settings, certs, auto, maintenance_page, structure="")
    digest = hashlib.sha256(json.dumps(sorted(fixed.items())).encode()).hexdigest()[:32]
    files = _files(routes, settings, certs, auto, maintenance_page, structure=digest)
    if auto:
        files[CHALLENGES_MAP] = challenges
    files[SECURED_MAP] = lines([pair(FILES, "1"), *(pair(host, str(int(issued(host)))) for _, host in auto)])
    return RenderedProxy(files, certs, auto, digest)


def certificate_file(certificate: Certificate) -> str:
    """Named after where it comes from, so that the last good copy is found again."""
    key = json.dumps([certificate.files.cert, certificate.files.key])
    return f"certificate-{hashlib.sha256(key.encode()).hexdigest()[:12]}.pem"


def automatic_file(host: str) -> str:
    return f"auto-{host.replace('*', '_')}.pem"


def version_key(service: str, color: Color) -> str:
    return f"{color}/{service}"


def _files(
    routes: Sequence[ServiceRoute],
    settings: ProxySettings,
    certs: tuple[tuple[str, Certificate], ...],
    auto: tuple[tuple[str, str], ...],
    maintenance_page: str | None,
    *,
    structure: str,
) -> dict[str, str]:
    table = entries(routes, settings)
    ports = listeners(routes)
    page = page_template("page.html.j2")
    limits = f"{settings.max_header // 1024} KiB or {settings.max_headers} headers"
    files = {name: page.render(title=title, text=text.replace("%s", limits)) for name, (title, text) in _PAGES.items()}
    if maintenance_page is not None:
        files[MAINTENANCE_PAGE] = maintenance_page
    asked = entry_rules(routes)
    keys = {(rules.service, rules.number): rules.key for rules in asked}
    files[HOSTS_MAP] = lines(
        pair(e.key, "|".join([e.service, e.prefix if e.strip else "", e.secured, keys.get((e.service, e.number), "")]))
        for e in table
    )
    files[WILDCARDS_MAP] = lines(pair(host[1:], host) for host in wildcards(table))
    files[INTERNAL_MAP] = lines(
        pair(f"{port.port}/{name}", service) for port in ports for name, service in port.services
    )
    files[VERSIONS_MAP] = lines(
        pair(version_key(route.service, color), version_word(_slot(route, color).version))
        for route in routes
        for color in COLORS
    )
    files[MAINTENANCE_MAP] = lines(pair(route.service, str(int(route.maintenance))) for route in routes)
    files[CERTIFICATES] = lines(
        [*(pair(name, " ".join(cert.hosts)).strip() for name, cert in certs), *(pair(*found) for found in auto)]
    )
    files[CONFIG] = config_template("haproxy.cfg.j2").render(
        settings=settings,
        structure=structure,
        public=[address for address in settings.listen if address in binds(routes, settings)],
        certificates=files[CERTIFICATES],
        automatic=auto,
        entries=asked,
        compressible=words(COMPRESSED.split()),
        bound=lambda address: _bound(address, settings),
        listeners=ports,
        wildcards=wildcards(table),
        strips={entry.prefix: _strip_pattern(entry.prefix) for entry in table if entry.strip},
        tls_port=_tls_port(settings),
        peering=settings.peering,
        balanced=_balanced(routes, settings),
        backends=[_backend(route, settings) for route in routes],
        log_format=log_format(),
        host_pattern=HOST_PATTERN,
        rewrite_room=_REWRITE_ROOM,
        waiting=WAITING,
        waiting_socket=WAITING_SOCKET,
        color_header=COLOR_HEADER,
        ms=lambda seconds: f"{round(seconds * 1000)}ms",
    )
    return files


def _balanced(routes: Sequence[ServiceRoute], settings: ProxySettings) -> dict[str, tuple[Peer, ...]]:
    """Where else each service with an internal name runs."""
    others = settings.peering.others if settings.peering is not None else {}
    return {one.service: others[one.service] for one in routes if one.internal is not None and one.service in others}


def log_format() -> str:
    """One JSON object a request. The version is looked up when the line is written, by the slot that answered."""

    def text(expression: str) -> str:
        return f"%{{+Q}}[{expression},json(utf8s)]"  # +Q: quotes, even around nothing

    color = f"srv_name,regsub(^{PARKED}$,),concat(,txn.color)"
    fields = {
        "service": text("var(txn.service)"),
        "color": text(color),
        "version": text(f"{color},concat(/,txn.service),map({VERSIONS_MAP})"),
        "method": text("var(txn.method)"),
        "path": text("var(txn.path)"),
        "status": "%ST",
        "duration_us": "%[date(0,us),sub(txn.t0)]",
        "bytes": "%B",
        "client": '"%ci"',
    }
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"


def _backend(route: ServiceRoute, settings: ProxySettings) -> dict[str, object]:
    slots = {color: _slot(route, color) for color in COLORS}
    waits = [spec.timeouts for spec in route.public]
    return {
        "name": route.service,
        "compressed": compressed(route),
        # Where requests wait they are of no route any more: the longest time that one of them asks for.
        "server_timeout": max([settings.timeouts.server, *(wait.server for wait in waits if wait.server is not None)]),
        "tunnel_timeout": max([settings.timeouts.tunnel, *(wait.tunnel for wait in waits if wait.tunnel is not None)]),
        "check_path": re.sub(r"[^!-~]|[\"'\\#]", "", route.check_path.partition("?")[0]) or "/",
        "slots": slots,
        "source": route.source,
        "open": any(slot.state == "ready" and slot.port for slot in slots.values()),
    }


def _slot(route: ServiceRoute, color: Color) -> Slot:
    """A slot that was never filled points nowhere: port 1 of loopback refuses."""
    return route.slots.get(color) or Slot(port=0)


def _bound(address: str, settings: ProxySettings) -> Markup:
    """Further words of a `bind` line. IPv6 alone, so that 0.0.0.0 and [::] do not want the same port."""
    from markupsafe import Markup

    words = " v6only" if address.startswith("[") else ""
    return Markup(words + (" name proxied" if address in settings.accept_proxy else ""))  # noqa: S704 - our own words


def _strip_pattern(prefix: str) -> str:
    """Slashes count as in a route's match: several are as one."""
    return f"^{'/+'.join(re.escape(part) for part in prefix.split('/'))}/*(.*)$"


def _tls_port(settings: ProxySettings) -> str:
    """`:8443`, as it stands behind a host in an address; empty for the usual port."""
    port = settings.tls_listen[0].rpartition(":")[2] if settings.tls_listen else "443"
    return "" if port == "443" else f":{port}"
