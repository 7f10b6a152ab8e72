"""What people ask of a deployed service besides deploying it: restart, stop, start, maintenance, removal.

Every function takes the service's lock, after settling what a killed deploy may have left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from monitor.domain.deploy.records import Release
from monitor.domain.names import Color, other
from monitor.errors import BgmonError, Conflict, ProxyError, ProxyUnreachable, UsageError
from monitor.ports.deploys import DeployStore
from monitor.services.deploy.candidate import discard
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.gate import pass_gate, policy_for
from monitor.services.deploy.locked import changing
from monitor.services.deploy.own import name_lookalikes, running_release
from monitor.services.deploy.recreate import recreate, release_secrets
from monitor.services.deploy.traffic import TrafficControl, save_proxy_config


def deployed(store: DeployStore, service: str) -> Release:
    """The active release. Raises UsageError when nothing was ever deployed."""
    active = store.active(service)
    if active is None:
        raise UsageError(f"{service} was never deployed here", hint=f"bgmon deploy {service}")
    return active


@contextmanager
def _commanded(deps: DeployDeps, service: str, purpose: str, *, wait: float) -> Iterator[None]:
    """`changing`; what only looks like the service is named afterwards."""
    with changing(deps, service, purpose, wait=wait):
        yield
        name_lookalikes(deps, service)


def restart(deps: DeployDeps, service: str, *, wait: float = 0.0) -> None:
    """Restart the container in place and wait until it is healthy; the proxy holds requests back meanwhile.

    Raises:
        GateFailed: it did not get healthy again.
    """
    with _commanded(deps, service, "restart", wait=wait):
        active = deployed(deps.store, service)
        container = running_release(deps.engine, active)
        deps.store.set_flags(service, replace(deps.store.flags(service), stopped_by="", stopped_at=None))
        if container is None:
            recreate(deps, service)
        else:
            deps.engine.restart(container.id, active.spec.deploy.stop)
        _serve(deps, deployed(deps.store, service))
        deps.tell("restarted", service, "restarted")


def stop(deps: DeployDeps, service: str, *, wait: float = 0.0) -> None:
    """Let it finish its requests, stop it, and remember that a person wanted it so."""
    with _commanded(deps, service, "stop", wait=wait):
        active = deployed(deps.store, service)
        spec = active.spec
        flags = deps.store.flags(service)
        # First of all, so that the daemon does not take the stop for a death; taken back when nothing was stopped.
        deps.store.set_flags(service, replace(flags, stopped_by=deps.who, stopped_at=deps.clock.now()))
        try:
            container = running_release(deps.engine, active)
            traffic = TrafficControl(deps, spec)
            with _proxy_may_be_away(deps, service):
                traffic.rest()
                traffic.drained(active.color, spec.deploy.drain)
                traffic.close(active.color)
                traffic.save_config()
            if container is not None:
                deps.engine.stop(container.id, spec.deploy.stop)
        except BgmonError:
            deps.store.set_flags(service, flags)
            raise
        deps.tell("stopped", service, "stopped; it stays so until: bgmon start " + service)


def start(deps: DeployDeps, service: str, *, wait: float = 0.0) -> None:
    """Start a stopped service again. Raises GateFailed when it does not get healthy."""
    with _commanded(deps, service, "start", wait=wait):
        active = deployed(deps.store, service)
        flags = deps.store.flags(service)
        deps.store.set_flags(service, replace(flags, stopped_by="", stopped_at=None))
        container = running_release(deps.engine, active)
        if container is None:
            recreate(deps, service)
        elif not container.running:
            try:
                deps.engine.start(container.id)
            except Conflict:  # somebody else has its address or port by now
                recreate(deps, service)
        _serve(deps, deployed(deps.store, service))
        deps.tell("started", service, f"{active.version} runs")


@contextmanager
def _proxy_may_be_away(deps: DeployDeps, service: str) -> Iterator[None]:
    """What takes traffic away does not need a proxy that is down, or that knows the service no more."""
    try:
        yield
    except (ProxyError, ProxyUnreachable) as error:
        deps.tell("warning", service, f"the proxy was not told: {error}")


def _serve(deps: DeployDeps, active: Release) -> None:
    """Wait for the active release's health, and give it its traffic."""
    spec = active.spec
    policy = policy_for(deps, spec, active.image_id)
    release_secrets(deps, active, spec)  # so that they are masked
    pass_gate(deps, spec, policy, container=active.container, at=active)
    traffic = TrafficControl(deps, spec)
    traffic.stage(active)
    traffic.switch(active.color)
    traffic.save_config()


def maintenance(deps: DeployDeps, service: str, *, on: bool, wait: float = 0.0) -> None:
    """Show the maintenance page instead of the service, or no longer."""
    with _commanded(deps, service, "maintenance", wait=wait):
        flags = deps.store.flags(service)
        deps.store.set_flags(service, replace(flags, maintenance=on))
        try:
            deps.proxy.maintenance(service, on)
            save_proxy_config(deps)
        except BgmonError:
            deps.store.set_flags(service, flags)
            raise
        deps.tell("maintenance", service, f"maintenance is {'on' if on else 'off'}", on=on)


def remove(deps: DeployDeps, service: str, *, wait: float = 0.0) -> None:
    """Take a service off this host: traffic, containers, records and kept secrets. Images go with `prune`."""
    with _commanded(deps, service, "removal", wait=wait):
        active = deps.store.active(service)
        if active is not None:
            spec = active.spec
            traffic = TrafficControl(deps, spec)
            colors: tuple[Color, ...] = (active.color, other(active.color))
            with _proxy_may_be_away(deps, service):
                for color in colors:
                    traffic.close(color)
        stop_time = active.spec.deploy.stop if active is not None else 0.0
        ours = [made.id for made in deps.own.made(service=service)]
        for container in dict.fromkeys([*([active.container] if active is not None else []), *ours]):
            discard(deps.engine, deps.own, container, stop=stop_time)
        for release in deps.store.releases(service, limit=10_000):
            deps.secrets.drop(release.deploy)
        deps.store.forget(service)
        with _proxy_may_be_away(deps, service):
            save_proxy_config(deps)
        deps.tell("removed", service, "removed from this host")
