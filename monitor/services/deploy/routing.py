"""What the proxy is to carry: bgmon.yml, the recorded slots, and what a person decided."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.proxy.routes import ServiceRoute, service_routes
from monitor.ports.deploys import DeployStore


def routes_of(specs: Iterable[ServiceSpec], store: DeployStore) -> list[ServiceRoute]:
    """The routes as they should be now. Raises StateError."""
    wanted = [_routed_as(spec, store) for spec in specs]
    flags = {spec.name: store.flags(spec.name) for spec in wanted}
    return service_routes(wanted, store.all_slots(), flags)


def _routed_as(spec: ServiceSpec, store: DeployStore) -> ServiceSpec:
    """A service that loses its port keeps its traffic until the deploy which takes it."""
    active = None if spec.proxied else store.active(spec.name)
    if active is None or active.port is None:
        return spec
    return active.spec
