"""What runs: the record of each service beside what the engine says of its container."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.domain.containers import Container
from monitor.ports.deploys import DeployStore
from monitor.ports.engine import Engine
from monitor.ports.own import OwnContainers
from monitor.services.deploy.own import look_around


@dataclass(frozen=True, slots=True)
class Row:
    """One service. `since` is in unix seconds: when its container was started, or ended."""

    name: str
    color: str | None
    version: str | None
    image: str | None
    digest: str | None
    state: str
    port: int | None
    address: str | None
    since: float | None
    restarts: int


@dataclass(frozen=True, slots=True)
class Orphan:
    """A container that belongs to no release: of ours, or a lookalike that only carries our labels."""

    id: str
    name: str
    service: str
    version: str
    state: str


@dataclass(frozen=True, slots=True)
class Picture:
    services: list[Row]
    orphans: list[Orphan]
    lookalikes: list[Orphan]


def picture(engine: Engine, own: OwnContainers, store: DeployStore, project: str, configured: Iterable[str]) -> Picture:
    """Every service that is configured or was deployed, and what belongs to none. Raises EngineUnreachable."""
    around = look_around(engine, own, store, project)
    return Picture(
        [_row(name, store, around.by_id) for name in sorted({*configured, *store.services()})],
        [_orphan(container) for container in around.orphans],
        [_orphan(container) for container in around.lookalikes],
    )


def _orphan(container: Container) -> Orphan:
    return Orphan(container.id, container.name, container.service, container.version, container.state)


def _row(name: str, store: DeployStore, by_id: dict[str, Container]) -> Row:
    active = store.active(name)
    if active is None:
        under_way = bool(store.unfinished(name))
        return Row(name, None, None, None, None, "deploying" if under_way else "not deployed", None, None, None, 0)
    container = by_id.get(active.container)
    return Row(
        name=name,
        color=active.color,
        version=active.version,
        image=active.image,
        digest=active.digest,
        state=_state(name, container, store),
        port=active.port,
        address=active.address if active.port is not None else None,
        since=None if container is None else container.started_at if container.running else container.finished_at,
        restarts=container.restarts if container is not None else 0,
    )


def _state(name: str, container: Container | None, store: DeployStore) -> str:
    flags = store.flags(name)
    if container is None:
        return "missing"
    if not container.running and flags.stopped_by:
        return "stopped"
    if container.running and flags.maintenance:
        return "maintenance"
    if container.running and container.health in ("starting", "unhealthy"):
        return container.health
    return container.state
