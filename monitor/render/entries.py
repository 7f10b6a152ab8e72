"""What routes ask of the proxy besides where to send requests: one set of rules for each route.

Requests carry the route's key in `txn.route`, out of the map of hosts; a rule asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from monitor.domain.deploy.spec import RouteSpec
from monitor.domain.proxy.routes import ServiceRoute

COMPRESSED: Final = (
    "text/html text/css text/plain text/xml application/json application/javascript text/javascript image/svg+xml"
)


@dataclass(frozen=True, slots=True)
class EntryRules:
    """`headers` have their values as HAProxy's log format wants them."""

    key: str
    service: str
    number: int
    spec: RouteSpec
    headers: tuple[tuple[str, str], ...]

    @property
    def realm(self) -> str:
        return f"auth-{self.key}"

    @property
    def first(self) -> str:
        """Where requests for the further hosts are sent; empty without any."""
        return self.spec.host[0].lower().rstrip(".") if self.spec.redirect and len(self.spec.host) > 1 else ""


def key_of(service: str, spec: RouteSpec, number: int) -> str:
    """What requests of this route carry; empty when it asks for nothing."""
    plain = RouteSpec(host=spec.host, path=spec.path, strip=spec.strip, tls=spec.tls, compress=spec.compress)
    return "" if spec == plain else f"{service}-{number}"


def entry_rules(routes: Sequence[ServiceRoute]) -> list[EntryRules]:
    """The routes that ask for something."""
    return [
        EntryRules(
            key, route.service, number, spec, tuple((name, _format(value)) for name, value in spec.headers.items())
        )
        for route in routes
        for number, spec in enumerate(route.public)
        if (key := key_of(route.service, spec, number))
    ]


def compressed(route: ServiceRoute) -> bool:
    return any(spec.compress for spec in route.public)


def _format(value: str) -> str:
    """A log format in which nothing is looked up."""
    return value.replace("%", "%%")
