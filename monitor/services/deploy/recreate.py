"""Running the active release again, from its record: its container was removed, or cannot be restarted any more.

The release stays the same, its label included; only its container, and where a stranger took it its port, are new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from monitor.config.compile import spec_from_json
from monitor.domain.bake import lost_container
from monitor.domain.names import container_name
from monitor.domain.records import DeployRecord, Release
from monitor.domain.spec import ServiceSpec
from monitor.errors import EngineError, UsageError
from monitor.services.deploy.gate import log_tail
from monitor.services.deploy.green import Green, answer_to_name, discard, introduce, let_restart, make
from monitor.services.deploy.images import fetch
from monitor.services.deploy.own import of_deploy
from monitor.services.deploy.parts import Parts
from monitor.services.deploy.preflight import must_be_ours
from monitor.services.deploy.switchboard import Switchboard


def recreate(parts: Parts, service: str) -> Release:
    """The caller holds the service's lock, and has settled cut-off deploys.

    Raises:
        UsageError: nothing was ever deployed, or a secret is neither kept nor given.
        EngineUnreachable, EngineError: the container could not be made.
    """
    active = parts.store.active(service)
    if active is None:
        raise UsageError(f"{service} was never deployed here", hint=f"bgmon deploy {service}")
    spec = spec_from_json(active.spec)
    secrets = release_secrets(parts, active, spec)
    started = parts.clock.now()
    record = DeployRecord(
        id=f"{service}-{started * 1000:.0f}",
        service=service,
        kind="recreate",
        image=active.image,
        version=active.version,
        who=parts.who,
        started_at=started,
    )
    green = Green(
        deploy=active.deploy,
        service=service,
        color=active.color,
        version=active.version,
        image=active.image,
        pinned=active.digest,
        image_id=active.image_id,
        port=active.port,
        spec=active.spec,
        recorded=True,
    )
    if parts.engine.image(active.digest) is None:  # pruned by hand; the old container stays until it is here again
        fetch(parts, service, active.digest, "auto")
    old = parts.engine.inspect(active.container) or of_deploy(parts, green)
    holder = parts.engine.inspect(container_name(parts.project, service, active.color))
    if holder is not None and holder.id != active.container:
        must_be_ours(parts, service, holder)
    parts.store.begin(record)
    parts.store.note(record.id, "create", green.note(), started)
    if old is not None:
        discard(parts.engine, parts.own, old.id, stop=spec.deploy.stop)
    if green.port is not None and not parts.host.port_free(green.port):
        green = replace(green, port=Switchboard(parts, spec).reserve(green.color, green.version))
        parts.store.note(record.id, "create", green.note(), parts.clock.now())
    container = make(parts, green, spec, secrets)
    state = parts.engine.inspect(container)
    if state is None or not state.running:
        reason = f"the new container {lost_container(state, 0).removeprefix('its container ')}"
        tail = "\n".join(f"  | {line}" for line in log_tail(parts, container, secrets))
        parts.own.remove(container)
        parts.store.finish(record.id, "failed", at=parts.clock.now(), reason=reason)
        raise EngineError(f"{service} could not be made again: {reason}" + (f"\n{tail}" if tail else ""))
    settle_recreate(parts, record, green)
    return replace(active, port=green.port)


def settle_recreate(parts: Parts, record: DeployRecord, green: Green) -> str:
    """Take the new container into service, or clear away what a cut-off attempt left."""
    what = f"recreation of {record.version}"
    active = parts.store.active(record.service)
    container = of_deploy(parts, green)
    if active is None or container is None or not container.running:
        if container is not None:
            parts.own.remove(container.id)
        parts.store.finish(record.id, "aborted", at=parts.clock.now(), reason="cut off")
        return f"{what}, cut off: cleared away"
    spec = spec_from_json(active.spec)
    answer_to_name(parts.engine, container.id, spec)
    introduce(parts.engine, parts.project, container.id, spec)
    let_restart(parts.engine, container.id)
    board = Switchboard(parts, spec)
    board.stage(green.color, green.port, green.version)
    board.switch(green.color)
    board.persist()
    release = replace(active, container=container.id, port=green.port)
    parts.store.finish(record.id, "deployed", at=parts.clock.now(), release=release)
    return f"{what}: it runs"


def release_secrets(parts: Parts, release: Release, spec: ServiceSpec) -> Mapping[str, str]:
    """What the release was deployed with, else what is set now. Raises UsageError naming what is missing."""
    kept = parts.secrets.kept(release.deploy)
    return kept if kept is not None else parts.secrets.resolve(spec.secrets)
