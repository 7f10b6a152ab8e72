"""Everything that can be found wrong before anything is changed."""

from __future__ import annotations

from typing import Final

from monitor.domain.containers import Container, EngineInfo
from monitor.domain.names import Color, container_name
from monitor.domain.records import Release
from monitor.domain.spec import ServiceSpec
from monitor.errors import Conflict, EngineError, HookFailed, ProxyUnreachable
from monitor.services.deploy.green import discard
from monitor.services.deploy.parts import Parts
from monitor.services.deploy.switchboard import persist

_MIN_DISK: Final = 256 * 1024**2


def preflight(parts: Parts, spec: ServiceSpec, color: Color, active: Release | None) -> EngineInfo:
    """Check the engine, the disk, the hooks and green's name.

    Raises:
        EngineUnreachable: it does not answer.
        EngineError, Conflict, HookFailed: what must be mended first.
    """
    info = parts.engine.info()
    _disk(parts, info)
    problems = parts.hooks.check()
    if problems:
        raise HookFailed("\n".join(problems))
    _free_name(parts, spec.name, color, active)
    return info


def _disk(parts: Parts, info: EngineInfo) -> None:
    free = parts.host.disk_free(info.root_dir)
    if free is not None and free < _MIN_DISK:
        raise EngineError(
            f"only {free // 1024**2} MB are free where Docker keeps its data ({info.root_dir})",
            hint="free some space, for instance with: bgmon prune",
        )


def _free_name(parts: Parts, service: str, color: Color, active: Release | None) -> None:
    """Green's name must be free; a leftover of our own under it is removed."""
    name = container_name(parts.project, service, color)
    holder = parts.engine.inspect(name)
    if holder is None:
        return
    if active is not None and holder.id == active.container:
        raise Conflict(
            f"the running {service} was renamed to {name}, the name its successor needs",
            hint=f"docker rename {name} {container_name(parts.project, service, active.color)}",
        )
    must_be_ours(parts, service, holder)
    discard(parts.engine, parts.own, holder.id, stop=0)
    parts.tell("warning", service, f"removed the leftover container {name}")


def must_be_ours(parts: Parts, service: str, holder: Container) -> None:
    """Raises Conflict, which says what to do, when bgmon did not make what holds a name that it needs."""
    if parts.own.knows(holder.id) is not None:
        return
    if holder.project != parts.project or holder.service != service:
        raise Conflict(
            f"a container named {holder.name} exists that bgmon did not start",
            hint=f"rename it (docker rename {holder.name} ...) or remove it",
        )
    raise Conflict(
        f"{holder.name} exists ({holder.version or 'no version'}, {holder.state}), but the state used here does not "
        "know it",
        hint="is it the right state folder, and the right user? (state.dir, BGMON_STATE_DIR). "
        f"If the state is lost for good, or it is a copy: bgmon prune --id {holder.id[:12]}",
    )


def ready_proxy(parts: Parts) -> None:
    """Have the proxy run with this project's services in it; one that does not run is started.

    Its files are left as they are where nothing is missing: the switch writes them anyway.

    Raises:
        ProxyUnreachable, ProxyError: it could not be started, or refuses its configuration.
    """
    try:
        running = parts.proxy.status().running
    except ProxyUnreachable:
        running = False
    if not running:
        parts.proxy.boot(parts.routes())
    elif not parts.proxy.carries(parts.routes()):
        persist(parts)
