"""Everything that can be found wrong before anything is changed."""

from __future__ import annotations

from typing import Final

from monitor.domain.containers import Container, EngineInfo
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import Color, container_name
from monitor.errors import Conflict, EngineError, HookFailed, ProxyUnreachable
from monitor.services.deploy.candidate import discard
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.traffic import save_proxy_config

_MIN_DISK: Final = 256 * 1024**2


def preflight(deps: DeployDeps, spec: ServiceSpec, color: Color, active: Release | None) -> EngineInfo:
    """Check the engine, the disk, the hooks and green's name.

    Raises:
        EngineUnreachable: it does not answer.
        EngineError, Conflict, HookFailed: what must be mended first.
    """
    info = deps.engine.info()
    _disk(deps, info)
    problems = deps.hooks.check()
    if problems:
        raise HookFailed("\n".join(problems))
    _free_name(deps, spec.name, color, active)
    return info


def _disk(deps: DeployDeps, info: EngineInfo) -> None:
    free = deps.host.disk_free(info.root_dir)
    if free is not None and free < _MIN_DISK:
        raise EngineError(
            f"only {free // 1024**2} MB are free where Docker keeps its data ({info.root_dir})",
            hint="free some space, for instance with: bgmon prune",
        )


def _free_name(deps: DeployDeps, service: str, color: Color, active: Release | None) -> None:
    """Green's name must be free; a leftover of our own under it is removed."""
    name = container_name(deps.project, service, color)
    holder = deps.engine.inspect(name)
    if holder is None:
        return
    if active is not None and holder.id == active.container:
        raise Conflict(
            f"the running {service} was renamed to {name}, the name its successor needs",
            hint=f"docker rename {name} {container_name(deps.project, service, active.color)}",
        )
    must_be_ours(deps, service, holder)
    discard(deps.engine, deps.own, holder.id, stop=0)
    deps.tell("warning", service, f"removed the leftover container {name}")


def must_be_ours(deps: DeployDeps, service: str, holder: Container) -> None:
    """Raises Conflict, which says what to do, when bgmon did not make what holds a name that it needs."""
    made = deps.own.knows(holder.id)
    if made is not None and (made.role, made.service) == ("app", service):
        return
    if holder.project != deps.project or holder.service != service:
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


def ready_proxy(deps: DeployDeps) -> None:
    """Have the proxy run with this project's services in it; one that does not run is started.

    Its files are left as they are where nothing is missing: the switch writes them anyway.

    Raises:
        ProxyUnreachable, ProxyError: it could not be started, or refuses its configuration.
    """
    try:
        running = deps.proxy.status().running
    except ProxyUnreachable:
        running = False
    if not running:
        deps.proxy.boot(deps.routes())
    elif not deps.proxy.carries(deps.routes()):
        save_proxy_config(deps)
