"""The new container: made from a spec, put on record, let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from monitor.domain.containers import ContainerSpec, brings_init
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.deploy.spec_codec import spec_from_json, spec_to_json
from monitor.domain.names import (
    KIND_APP,
    LABEL_COLOR,
    LABEL_DEPLOY,
    LABEL_KIND,
    LABEL_PROJECT,
    LABEL_SERVICE,
    LABEL_VERSION,
    Color,
    container_name,
    network_name,
)
from monitor.domain.proxy.reach import LOOPBACK
from monitor.domain.sealing import environment
from monitor.ports.engine import Engine
from monitor.ports.own import OwnContainers
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.reach import ready_network

RESTART_POLICY = "unless-stopped"


@dataclass(frozen=True, slots=True)
class Candidate:
    """The release that a deploy brings. What the journal keeps of it is all that a recovery needs.

    `pinned` is what the container is made of: the digest that was pulled, or the id of an image that no registry has
    seen, so that a tag that moves meanwhile changes nothing. `address` and `port` are where it is reached. `recorded`
    says that its container's id is put on record when it is made; journals of earlier versions have it not.
    """

    deploy: str
    service: str
    color: Color
    version: str
    image: str
    pinned: str
    image_id: str
    port: int | None
    spec: ServiceSpec
    recorded: bool = False
    address: str = LOOPBACK
    network: str = ""  # of the project's networks the one that `address` is on

    def note(self) -> dict[str, Any]:
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**kept, "spec": spec_to_json(self.spec)}

    @classmethod
    def from_note(cls, data: Mapping[str, Any]) -> Candidate:
        return cls(**{**data, "spec": spec_from_json(data["spec"])})

    def release(self, container: str, at: float) -> Release:
        return Release(
            deploy=self.deploy,
            service=self.service,
            color=self.color,
            version=self.version,
            image=self.image,
            digest=self.pinned,
            image_id=self.image_id,
            port=self.port,
            container=container,
            spec=self.spec,
            at=at,
            address=self.address,
        )


def container_spec(project: str, candidate: Candidate, spec: ServiceSpec, secrets: Mapping[str, str]) -> ContainerSpec:
    """What the engine is asked for. It restarts later: a candidate that dies at its gate stays dead."""
    publish = {}
    if spec.port is not None and candidate.port is not None and candidate.address == LOOPBACK:
        publish = {spec.port: (LOOPBACK, candidate.port)}
    extra = dict(spec.docker)
    labels = {
        **extra.pop("labels", {}),
        LABEL_PROJECT: project,
        LABEL_SERVICE: candidate.service,
        LABEL_COLOR: candidate.color,
        LABEL_VERSION: candidate.version,
        LABEL_DEPLOY: candidate.deploy,
        LABEL_KIND: KIND_APP,
    }
    return ContainerSpec(
        name=container_name(project, candidate.service, candidate.color),
        image=candidate.pinned,
        labels=labels,
        env=environment(spec, secrets),
        publish=publish,
        command=spec.command,
        memory=spec.limits.memory,
        cpus=spec.limits.cpus,
        pids=spec.limits.pids,
        restart="no",
        volumes=spec.volumes,
        network=network_name(project),
        address=candidate.address if candidate.network == network_name(project) else None,
        user=spec.user,
        read_only=spec.read_only,
        init=spec.init,
        log_max_size=spec.log_files.max_size,
        log_max_files=spec.log_files.max_files,
        extra=extra,
    )


def create(deps: DeployDeps, candidate: Candidate, spec: ServiceSpec, secrets: Mapping[str, str]) -> str:
    """Create the container without starting it; its id. Raises Conflict when its name is taken, EngineError."""
    engine = deps.engine
    ready_network(deps)
    wanted = container_spec(deps.project, candidate, spec, secrets)
    image = engine.image(candidate.image_id)
    if image is not None and brings_init(image, wanted):
        wanted = replace(wanted, init=False)
    container = deps.own.create(wanted, "app", service=candidate.service, deploy=candidate.deploy)
    if candidate.network and wanted.address is None:
        engine.connect(candidate.network, container.id, (), address=candidate.address)
    for network in spec.networks:
        engine.connect(network, container.id, ())
    return container.id


def make(deps: DeployDeps, candidate: Candidate, spec: ServiceSpec, secrets: Mapping[str, str]) -> str:
    """Create and start the container; its id. Raises Conflict when its name or port is taken, EngineError."""
    container = create(deps, candidate, spec, secrets)
    deps.engine.start(container)
    return container


def answer_to_name(engine: Engine, container: str, spec: ServiceSpec) -> None:
    """Give it the service's name on the networks of the user's own.

    It leaves and joins each of them anew, which it can bear since nobody talks to it yet.
    """
    for network in spec.networks:
        engine.realias(network, container, (spec.name,))


def let_restart(engine: Engine, container: str) -> None:
    """Let Docker restart it from now on. Safe to repeat."""
    engine.set_restart_policy(container, RESTART_POLICY)


def retire(engine: Engine, container: str) -> None:
    """Let Docker restart it no more: stopping a container that is just restarting may not stick (moby#34028)."""
    if engine.inspect(container) is not None:
        engine.set_restart_policy(container, "no")


def discard(engine: Engine, own: OwnContainers, container: str, *, stop: float) -> None:
    """Stop for good, remove and forget. One that is gone is no error."""
    retire(engine, container)
    discard_retired(engine, own, container, stop=stop)


def discard_retired(engine: Engine, own: OwnContainers, container: str, *, stop: float) -> None:
    """The second half of `discard`, for a deploy that retires the active container while it drains."""
    engine.stop(container, stop)
    own.remove(container)
