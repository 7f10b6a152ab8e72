"""Running the active release again, from its record: its container was removed, or cannot be restarted any more.

The release stays the same, its label included; only its container, and where a stranger took it its port, are new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from monitor import masking
from monitor.domain.deploy.bake import lost_container
from monitor.domain.deploy.records import DeployRecord, Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import container_name
from monitor.domain.proxy.reach import LOOPBACK
from monitor.domain.sealing import needed
from monitor.errors import EngineError, UsageError
from monitor.services.deploy.candidate import Candidate, answer_to_name, discard, let_restart, make
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.evidence import log_tail
from monitor.services.deploy.images import fetch
from monitor.services.deploy.networks import introduce
from monitor.services.deploy.own import of_deploy
from monitor.services.deploy.preflight import must_be_ours
from monitor.services.deploy.traffic import TrafficControl


def recreate(deps: DeployDeps, service: str) -> Release:
    """The caller holds the service's lock, and has settled cut-off deploys.

    Raises:
        UsageError: nothing was ever deployed, or a secret is neither kept nor given.
        EngineUnreachable, EngineError: the container could not be made.
    """
    active = deps.store.active(service)
    if active is None:
        raise UsageError(f"{service} was never deployed here", hint=f"bgmon deploy {service}")
    spec = active.spec
    _data_is_there(deps, spec)
    secrets = release_secrets(deps, active, spec)
    started = deps.clock.now()
    record = DeployRecord(
        id=f"{service}-{started * 1000:.0f}",
        service=service,
        kind="recreate",
        image=active.image,
        version=active.version,
        who=deps.who,
        started_at=started,
    )
    green = Candidate(
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
        address=active.address,
    )
    if deps.engine.image(active.digest) is None:  # pruned by hand; the old container stays until it is here again
        fetch(deps, service, active.digest, "auto")
    old = deps.engine.inspect(active.container) or of_deploy(deps, green)
    holder = deps.engine.inspect(container_name(deps.project, service, active.color))
    if holder is not None and holder.id != active.container:
        must_be_ours(deps, service, holder)
    deps.store.begin(record)
    deps.store.note(record.id, "create", green.note(), started)
    if old is not None:
        discard(deps.engine, deps.own, old.id, stop=spec.deploy.stop)
    else:
        deps.own.remove(active.container)  # only its record is left
    if green.port is not None and not (green.address == LOOPBACK and deps.host.port_free(green.port)):
        green = TrafficControl(deps, spec).reserve(green)
        deps.store.note(record.id, "create", green.note(), deps.clock.now())
    container = make(deps, green, spec, secrets)
    state = deps.engine.inspect(container)
    if state is None or not state.running:
        reason = f"the new container {lost_container(state, 0).removeprefix('its container ')}"
        tail = "\n".join(f"  | {line}" for line in log_tail(deps.engine, container))
        deps.own.remove(container)
        deps.store.finish(record.id, "failed", at=deps.clock.now(), reason=reason)
        raise EngineError(f"{service} could not be made again: {reason}" + (f"\n{tail}" if tail else ""))
    settle_recreate(deps, record, green)
    return replace(active, address=green.address, port=green.port)


def _data_is_there(deps: DeployDeps, spec: ServiceSpec) -> None:
    """An accessory is not made again beside an empty volume: it would serve as if it had lost everything."""
    if not spec.keeps_data:
        return
    for volume in spec.volumes:
        name = volume.partition(":")[0]
        if not name.startswith("/") and not deps.engine.has_volume(name):
            raise EngineError(
                f"{spec.name}: its volume {name} is gone, and it is not started with an empty one",
                hint=f"bring the data back into a volume {name}, or begin anew: bgmon accessory remove {spec.name}",
            )


def settle_recreate(deps: DeployDeps, record: DeployRecord, green: Candidate) -> str:
    """Take the new container into service, or clear away what a cut-off attempt left."""
    what = f"recreation of {record.version}"
    active = deps.store.active(record.service)
    container = of_deploy(deps, green)
    if active is None or container is None or not container.running:
        if container is not None:
            deps.own.remove(container.id)
        deps.store.finish(record.id, "aborted", at=deps.clock.now(), reason="cut off")
        return f"{what}, cut off: cleared away"
    spec = active.spec
    answer_to_name(deps.engine, container.id, spec)
    introduce(deps, spec.name, container.id)
    let_restart(deps.engine, container.id)
    traffic = TrafficControl(deps, spec)
    traffic.stage(green)
    traffic.switch(green.color)
    traffic.save_config()
    release = replace(active, container=container.id, address=green.address, port=green.port)
    deps.store.finish(record.id, "deployed", at=deps.clock.now(), release=release)
    return f"{what}: it runs"


def release_secrets(deps: DeployDeps, release: Release, spec: ServiceSpec) -> Mapping[str, str]:
    """What the release was deployed with, else what is set now. Raises UsageError naming what is missing."""
    kept = deps.secrets.kept(release.deploy)
    found = kept if kept is not None else deps.secrets.resolve(needed(spec))
    masking.learn(found)
    return found
