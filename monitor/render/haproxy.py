"""HAProxy's configuration, its maps and pages, as text. Every file name in it is relative to the proxy's folder.

Taken by HAProxy 2.6 and later. Maps hold what changes without a reload (the version of each slot, maintenance) and what
must be found fast among a thousand services (hosts and paths: HAProxy indexes them as trees).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final

from monitor.domain.names import COLORS, Color
from monitor.domain.proxy.routes import ServiceRoute, Slot
from monitor.domain.proxy.settings import ProxySettings
from monitor.domain.proxy.table import Certificate, binds, certificates, entries, listeners, wildcards

if TYPE_CHECKING:
    from jinja2 import Environment

CONFIG: Final = "haproxy.cfg"
ADMIN_SOCKET: Final = "admin.sock"
MASTER_SOCKET: Final = "master.sock"
HOSTS_MAP: Final = "hosts.map"
WILDCARDS_MAP: Final = "wildcards.map"
INTERNAL_MAP: Final = "internal.map"
VERSIONS_MAP: Final = "versions.map"
MAINTENANCE_MAP: Final = "maintenance.map"
CERTIFICATES: Final = "certificates.list"
MAINTENANCE_PAGE: Final = "maintenance.html"

# The slot that refuses every connection: where requests wait, retried, while the real one is down.
PARKED: Final = "parked"
NO_VERSION: Final = "-"

_PAGES: Final = {
    "404.html": ("Not found", "There is no site at this address."),
    "502.html": ("Something went wrong", "The service broke off its answer. Please try again."),
    "503.html": ("Not available", "No version of this service is running right now. Please try again in a moment."),
    "504.html": ("No answer in time", "The service took too long to answer. Please try again."),
    MAINTENANCE_PAGE: ("Back soon", "This service is being worked on. Please try again in a few minutes."),
}


@dataclass(frozen=True, slots=True)
class RenderedProxy:
    """`files` are texts by name; `structure` changes when a running proxy must reload to be what they say."""

    files: Mapping[str, str]
    certificates: tuple[tuple[str, Certificate], ...]
    structure: str


def render(
    routes: Sequence[ServiceRoute], settings: ProxySettings, *, maintenance_page: str | None = None, salt: str = ""
) -> RenderedProxy:
    """Everything HAProxy reads.

    Args:
        routes: the services, each once.
        settings: the rest.
        maintenance_page: HTML to show instead of bgmon's own page.
        salt: stands for file contents that count as structure but are not rendered, such as certificates.

    Raises:
        ProxyError: one address is wanted for two things.
    """
    certs = tuple((f"certificate-{i}.pem", cert) for i, cert in enumerate(certificates(routes, settings)))
    blank = [replace(route, slots={}, maintenance=False) for route in routes]
    fixed = _files(blank, settings, certs, maintenance_page, structure="")
    digest = hashlib.sha256(json.dumps([sorted(fixed.items()), salt]).encode()).hexdigest()[:32]
    return RenderedProxy(_files(routes, settings, certs, maintenance_page, structure=digest), certs, digest)


def version_key(service: str, color: Color) -> str:
    return f"{color}/{service}"


def _files(
    routes: Sequence[ServiceRoute],
    settings: ProxySettings,
    certs: tuple[tuple[str, Certificate], ...],
    maintenance_page: str | None,
    *,
    structure: str,
) -> dict[str, str]:
    table = entries(routes, settings)
    ports = listeners(routes)
    files = {name: _template("page.html.j2").render(title=title, text=text) for name, (title, text) in _PAGES.items()}
    if maintenance_page is not None:
        files[MAINTENANCE_PAGE] = maintenance_page
    files[HOSTS_MAP] = _lines(
        f"{e.key} {e.service}|{e.prefix if e.strip else ''}|{'s' if e.https else ''}" for e in table
    )
    files[WILDCARDS_MAP] = _lines(f"{host[1:]} {host}" for host in wildcards(table))
    files[INTERNAL_MAP] = _lines(f"{port.port}/{name} {service}" for port in ports for name, service in port.services)
    files[VERSIONS_MAP] = _lines(
        f"{version_key(route.service, color)} {_slot(route, color).version or NO_VERSION}"
        for route in routes
        for color in COLORS
    )
    files[MAINTENANCE_MAP] = _lines(f"{route.service} {int(route.maintenance)}" for route in routes)
    files[CERTIFICATES] = _lines(f"{name} {' '.join(cert.hosts)}".strip() for name, cert in certs)
    files[CONFIG] = _template("haproxy.cfg.j2").render(
        settings=settings,
        structure=structure,
        public=[address for address in settings.listen if address in binds(routes, settings)],
        certificates=certs,
        listeners=ports,
        wildcards=wildcards(table),
        strips={entry.prefix: _strip_pattern(entry.prefix) for entry in table if entry.strip},
        tls_port=_tls_port(settings),
        backends=[_backend(route) for route in routes],
        log_format=log_format(),
        ms=lambda seconds: f"{round(seconds * 1000)}ms",
    )
    return files


def log_format() -> str:
    """One JSON object a request. The version is looked up when the line is written, by the slot that answered."""

    def text(expression: str) -> str:
        return f"%{{+Q}}[{expression},json(utf8s)]"  # +Q: quotes, even around nothing

    fields = {
        "service": text("var(txn.service)"),
        "color": text(f"srv_name,regsub(^{PARKED}$,)"),
        "version": text(f"srv_name,concat(/,txn.service),map({VERSIONS_MAP})"),
        "method": text("var(txn.method)"),
        "path": text("var(txn.path)"),
        "status": "%ST",
        "duration_us": "%[date(0,us),sub(txn.t0)]",
        "bytes": "%B",
        "client": '"%ci"',
    }
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"


def _backend(route: ServiceRoute) -> dict[str, object]:
    slots = {color: _slot(route, color) for color in COLORS}
    return {
        "name": route.service,
        "check_path": re.sub(r"[^!-~]|[\"'\\#]", "", route.check_path.partition("?")[0]) or "/",
        "slots": slots,
        "open": any(slot.state == "ready" and slot.port for slot in slots.values()),
    }


def _slot(route: ServiceRoute, color: Color) -> Slot:
    """A slot that was never filled points nowhere: port 1 of loopback refuses."""
    return route.slots.get(color) or Slot(port=0)


def _strip_pattern(prefix: str) -> str:
    return f"^{re.escape(prefix)}/*(.*)$"


def _tls_port(settings: ProxySettings) -> str:
    """`:8443`, as it stands behind a host in an address; empty for the usual port."""
    port = settings.tls_listen[0].rpartition(":")[2] if settings.tls_listen else "443"
    return "" if port == "443" else f":{port}"


def _lines(lines: object) -> str:
    return "".join(f"{line}\n" for line in lines)  # type: ignore[attr-defined]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # a swap has it read beside it

    return Environment(
        loader=PackageLoader("monitor.render", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the pages' texts are our own, the rest is no HTML
    )


@cache
def _template(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return _environment().get_template(name)
