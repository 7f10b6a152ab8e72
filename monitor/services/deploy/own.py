"""Whose container is it? The one answer that every command and the daemon go by: the recorded id."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from monitor.domain.containers import Container
from monitor.domain.deploy.records import Release
from monitor.domain.names import LABEL_PROJECT, LABEL_SERVICE, container_name
from monitor.domain.own import Made
from monitor.errors import UsageError
from monitor.ports.deploys import DeployStore
from monitor.ports.engine import Engine
from monitor.ports.own import OwnContainers
from monitor.services.deploy.candidate import Candidate
from monitor.services.deploy.deps import DeployDeps

LEFT_ALONE = "it carries {service}'s labels, but is not the container that bgmon made: left alone"


@dataclass(frozen=True, slots=True)
class Around:
    """What an engine holds for one project.

    `orphans` are bgmon's own and belong to no release and no deploy under way; `lookalikes` only carry its labels.
    """

    by_id: dict[str, Container]
    orphans: list[Container]
    lookalikes: list[Container]


def look_around(engine: Engine, own: OwnContainers, store: DeployStore, project: str) -> Around:
    """Raises EngineUnreachable."""
    containers = engine.containers({LABEL_PROJECT: project})
    releases = [release for name in store.services() if (release := store.active(name)) is not None]
    active = {release.container for release in releases}
    under_way = {record.id for record in store.unfinished()}
    under_way |= {release.deploy for release in releases if store.unfinished(release.service)}  # is being recreated
    own.made()  # settles whose id its maker did not live to write down
    orphans, lookalikes = [], []
    for container in containers:
        if container.id in active:
            continue
        made = own.knows(container.id)
        if made is None:
            lookalikes.append(container)
        elif _left_over(container, made, under_way):
            orphans.append(container)
    return Around({container.id: container for container in containers}, orphans, lookalikes)


def _left_over(container: Container, made: Made, under_way: Collection[str]) -> bool:
    """A task's container is removed by whoever ran it, as soon as it has ended."""
    if made.role == "task":
        return container.state == "exited"
    return made.role == "app" and made.deploy not in under_way


def running_release(engine: Engine, release: Release) -> Container | None:
    """The container of a release: the recorded one, whatever it is called by now, and no other."""
    return engine.inspect(release.container)


def of_deploy(deps: DeployDeps, green: Candidate) -> Container | None:
    """The container that a deploy made. Deploys of before 0002_containers.sql recorded no id until they ended."""
    for made in deps.own.made(deploy=green.deploy):
        found = deps.engine.inspect(made.id)
        if found is not None:
            return found
    if green.recorded:
        return None
    found = deps.engine.inspect(container_name(deps.project, green.service, green.color))
    return found if found is not None and found.deploy == green.deploy else None


def name_lookalikes(deps: DeployDeps, service: str) -> None:
    """Say which containers were not meant, so that nobody takes them for the service."""
    for container in lookalikes(deps.engine, deps.own, deps.project, service):
        deps.tell("warning", service, f"{container.name} ({container.id[:12]}): {LEFT_ALONE.format(service=service)}")


def lookalikes(engine: Engine, own: OwnContainers, project: str, service: str) -> list[Container]:
    """Containers with the labels of a service that bgmon did not make."""
    found = engine.containers({LABEL_PROJECT: project, LABEL_SERVICE: service})
    return [container for container in found if own.knows(container.id) is None]


def chosen(deps: DeployDeps, wanted: Iterable[str]) -> list[Container]:
    """What a person named by id or name, among lookalikes and orphans. Raises UsageError when one is none of them."""
    around = look_around(deps.engine, deps.own, deps.store, deps.project)
    return [_chosen([*around.lookalikes, *around.orphans], one) for one in wanted]


_SHORTEST_ID = 4


def _chosen(free: list[Container], wanted: str) -> Container:
    fitting = [one for one in free if one.name == wanted or (len(wanted) >= _SHORTEST_ID and one.id.startswith(wanted))]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(f"{one.id[:12]} ({one.name})" for one in free) or "none"
    raise UsageError(
        f"{wanted!r} names {'several' if fitting else 'no'} containers that carry this project's labels and belong to "
        "no release",
        hint=f"there are: {known}",
    )
