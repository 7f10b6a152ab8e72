"""What the proxy is to do, and what it says of itself, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from monitor.domain.deploy.records import ServiceFlags
from monitor.domain.deploy.spec import RouteSpec, ServiceSpec
from monitor.domain.names import Color
from monitor.domain.proxy.reach import LOOPBACK

SlotState = Literal["ready", "drain", "maint"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One of a service's two places in the proxy. `weight` is a percentage of the service's new requests.

    `address` and `port` are the container's own, or those that it is published on. `via` is this host's own address on
    the container's network.
    """

    port: int
    version: str = ""
    state: SlotState = "maint"
    weight: int = 100
    address: str = LOOPBACK
    via: str = ""


@dataclass(frozen=True, slots=True)
class ServiceRoute:
    service: str
    public: tuple[RouteSpec, ...] = ()
    internal: str | None = None
    slots: Mapping[Color, Slot] = field(default_factory=dict)
    maintenance: bool = False
    check_path: str = "/"  # asked after a crash, until anything answers
    source: str = ""  # the only address of this host from which the service is called


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """A slot as the running proxy sees it."""

    color: Color
    state: SlotState
    weight: int
    port: int
    sessions: int  # requests and tunnels under way, over all workers
    address: str = LOOPBACK


@dataclass(frozen=True, slots=True)
class SlotCounters:
    """Totals of a slot since the proxy's worker started; a reload begins again at 0."""

    requests: int
    errors: int  # answers with status 5xx, and connections that failed
    connect_errors: int = 0

    def __add__(self, other: SlotCounters) -> SlotCounters:
        return SlotCounters(
            self.requests + other.requests, self.errors + other.errors, self.connect_errors + other.connect_errors
        )


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """`lost_lines` of the access log were left out since the proxy last started or reloaded; `detail` says so too."""

    running: bool
    version: str = ""
    since: float | None = None
    listening: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    detail: str = ""
    lost_lines: int = 0


def lost_lines_text(lost: int) -> str:
    """What `ProxyStatus.detail` says of a log that lacks lines; empty when none is missing."""
    return f"{lost} access log lines were lost: whoever reads the log is too slow" if lost else ""


def service_routes(
    specs: Iterable[ServiceSpec],
    slots: Mapping[str, Mapping[Color, Slot]],
    flags: Mapping[str, ServiceFlags],
) -> list[ServiceRoute]:
    """What the proxy is to carry: each service with a port, in order of name, deployed already or not.

    All are called from this host's address on the project's network: where that is gone, as while an engine restarts,
    no packet for a container goes out by the default route, to whoever has its address there.
    """
    recorded = sorted(
        (slot for pair in slots.values() for slot in pair.values()), key=lambda slot: slot.state != "ready"
    )
    source = next((slot.via for slot in recorded if slot.via), "")
    return [
        ServiceRoute(
            service=spec.name,
            public=spec.route,
            internal=spec.internal,
            slots=slots.get(spec.name, {}),
            maintenance=flags.get(spec.name, ServiceFlags()).maintenance,
            check_path=spec.health.path or "/",
            source=source,
        )
        for spec in sorted(specs, key=lambda spec: spec.name)
        if spec.proxied
    ]
