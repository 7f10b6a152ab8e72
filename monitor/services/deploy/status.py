"""What runs: the record of each service beside what the engine says of its container."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.domain.containers import Container
from monitor.domain.names import KIND_ACCESS, LABEL_KIND, LABEL_PROJECT
from monitor.ports.deploys import DeployStore
from monitor.ports.engine import Engine


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
    since: float | None
    restarts: int


@dataclass(frozen=True, slots=True)
class Orphan:
    """A container with our labels that belongs to no release."""

    id: str
    name: str
    service: str
    version: str
    state: str


def rows(engine: Engine, store: DeployStore, project: str, configured: Iterable[str]) -> tuple[list[Row], list[Orphan]]:
    """Every service that is configured or was deployed, and the orphans. Raises EngineUnreachable."""
    containers = [
        container
        for container in engine.containers({LABEL_PROJECT: project})
        if container.labels.get(LABEL_KIND) != KIND_ACCESS
    ]
    by_deploy = {container.deploy: container for container in containers}
    names = sorted({*configured, *store.services()})
    found = [_row(name, store, by_deploy) for name in names]
    known = {release.deploy for name in names if (release := store.active(name)) is not None}
    under_way = {record.id for record in store.unfinished()}
    orphans = [
        Orphan(container.id, container.name, container.service, container.version, container.state)
        for container in containers
        if container.deploy not in known | under_way
    ]
    return found, orphans


def _row(name: str, store: DeployStore, by_deploy: dict[str, Container]) -> Row:
    active = store.active(name)
    if active is None:
        under_way = bool(store.unfinished(name))
        return Row(name, None, None, None, None, "deploying" if under_way else "not deployed", None, None, 0)
    container = by_deploy.get(active.deploy)
    return Row(
        name=name,
        color=active.color,
        version=active.version,
        image=active.image,
        digest=active.digest,
        state=_state(name, container, store),
        port=active.port,
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
