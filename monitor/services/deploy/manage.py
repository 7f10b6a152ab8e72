"""What people ask of a deployed service besides deploying it: restart, stop, start, maintenance, removal.

Every function takes the service's lock, after settling what a killed deploy may have left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from monitor.config.compile import spec_from_json
from monitor.domain.names import Color, other
from monitor.domain.records import Release
from monitor.errors import BgmonError, ProxyError, ProxyUnreachable, UsageError
from monitor.ports.deploys import DeployStore
from monitor.services.deploy.gate import pass_gate, policy_for
from monitor.services.deploy.green import discard
from monitor.services.deploy.own import name_lookalikes, running_release
from monitor.services.deploy.parts import Parts
from monitor.services.deploy.recover import recover_service
from monitor.services.deploy.recreate import recreate, release_secrets
from monitor.services.deploy.switchboard import Switchboard, persist


@contextmanager
def changing(parts: Parts, service: str, purpose: str, wait: float) -> Iterator[None]:
    """The service's lock, with cut-off deploys settled; what only looks like the service is named."""
    with parts.locks.acquire(service, wait=wait, purpose=purpose):
        for line in recover_service(parts, service):
            parts.tell("recovered", service, line)
        yield
        name_lookalikes(parts, service)


def deployed(store: DeployStore, service: str) -> Release:
    """The active release. Raises UsageError when nothing was ever deployed."""
    active = store.active(service)
    if active is None:
        raise UsageError(f"{service} was never deployed here", hint=f"bgmon deploy {service}")
    return active


def restart(parts: Parts, service: str, *, wait: float = 0.0) -> None:
    """Restart the container in place and wait until it is healthy; the proxy holds requests back meanwhile.

    Raises:
        GateFailed: it did not get healthy again.
    """
    with changing(parts, service, "restart", wait):
        active = deployed(parts.store, service)
        container = running_release(parts.engine, active)
        parts.store.set_flags(service, replace(parts.store.flags(service), stopped_by="", stopped_at=None))
        if container is None:
            recreate(parts, service)
        else:
            parts.engine.restart(container.id, spec_from_json(active.spec).deploy.stop)
        _serve(parts, deployed(parts.store, service))
        parts.tell("restarted", service, "restarted")


def stop(parts: Parts, service: str, *, wait: float = 0.0) -> None:
    """Let it finish its requests, stop it, and remember that a person wanted it so."""
    with changing(parts, service, "stop", wait):
        active = deployed(parts.store, service)
        spec = spec_from_json(active.spec)
        flags = parts.store.flags(service)
        # First of all, so that the daemon does not take the stop for a death; taken back when nothing was stopped.
        parts.store.set_flags(service, replace(flags, stopped_by=parts.who, stopped_at=parts.clock.now()))
        try:
            container = running_release(parts.engine, active)
            board = Switchboard(parts, spec)
            with _proxy_may_be_away(parts, service):
                board.rest()
                board.drained(active.color, spec.deploy.drain)
                board.close(active.color)
                board.persist()
            if container is not None:
                parts.engine.stop(container.id, spec.deploy.stop)
        except BgmonError:
            parts.store.set_flags(service, flags)
            raise
        parts.tell("stopped", service, "stopped; it stays so until: bgmon start " + service)


def start(parts: Parts, service: str, *, wait: float = 0.0) -> None:
    """Start a stopped service again. Raises GateFailed when it does not get healthy."""
    with changing(parts, service, "start", wait):
        active = deployed(parts.store, service)
        flags = parts.store.flags(service)
        parts.store.set_flags(service, replace(flags, stopped_by="", stopped_at=None))
        container = running_release(parts.engine, active)
        if container is None:
            recreate(parts, service)
        elif not container.running:
            parts.engine.start(container.id)
        _serve(parts, deployed(parts.store, service))
        parts.tell("started", service, f"{active.version} runs")


@contextmanager
def _proxy_may_be_away(parts: Parts, service: str) -> Iterator[None]:
    """What takes traffic away does not need a proxy that is down, or that knows the service no more."""
    try:
        yield
    except (ProxyError, ProxyUnreachable) as error:
        parts.tell("warning", service, f"the proxy was not told: {error}")


def _serve(parts: Parts, active: Release) -> None:
    """Wait for the active release's health, and give it its traffic."""
    spec = spec_from_json(active.spec)
    policy = policy_for(parts, spec, active.image_id)
    secrets = release_secrets(parts, active, spec)
    pass_gate(parts, spec, policy, container=active.container, port=active.port, secrets=secrets)
    board = Switchboard(parts, spec)
    board.stage(active.color, active.port, active.version)
    board.switch(active.color)
    board.persist()


def maintenance(parts: Parts, service: str, *, on: bool, wait: float = 0.0) -> None:
    """Show the maintenance page instead of the service, or no longer."""
    with changing(parts, service, "maintenance", wait):
        flags = parts.store.flags(service)
        parts.store.set_flags(service, replace(flags, maintenance=on))
        try:
            parts.proxy.maintenance(service, on)
            persist(parts)
        except BgmonError:
            parts.store.set_flags(service, flags)
            raise
        parts.tell("maintenance", service, f"maintenance is {'on' if on else 'off'}", on=on)


def remove(parts: Parts, service: str, *, wait: float = 0.0) -> None:
    """Take a service off this host: traffic, containers, records and kept secrets. Images go with `prune`."""
    with changing(parts, service, "removal", wait):
        active = parts.store.active(service)
        if active is not None:
            spec = spec_from_json(active.spec)
            board = Switchboard(parts, spec)
            colors: tuple[Color, ...] = (active.color, other(active.color))
            with _proxy_may_be_away(parts, service):
                for color in colors:
                    board.close(color)
        stop_time = spec_from_json(active.spec).deploy.stop if active is not None else 0.0
        ours = [made.id for made in parts.own.made(service=service)]
        for container in dict.fromkeys([*([active.container] if active is not None else []), *ours]):
            discard(parts.engine, parts.own, container, stop=stop_time)
        for release in parts.store.releases(service, limit=10_000):
            parts.secrets.drop(release.deploy)
        parts.store.forget(service)
        with _proxy_may_be_away(parts, service):
            persist(parts)
        parts.tell("removed", service, "removed from this host")
