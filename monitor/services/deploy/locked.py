"""Changing a service: one at a time, and never on top of what a killed deploy left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.recover import recover_service


@contextmanager
def changing(deps: DeployDeps, service: str, purpose: str, *, wait: float = 0.0) -> Iterator[list[str]]:
    """Hold the service's lock for the block, with its cut-off deploys settled; yields what was settled, a line each.

    Args:
        deps: the ports.
        service: which.
        purpose: what the lock is held for, as others who want it are told.
        wait: seconds to wait for the lock.

    Raises:
        LockedError: somebody else changes the service.
        UnreachableError, EngineError: a cut-off deploy could not be settled; it stays in the journal.
    """
    with deps.locks.acquire(service, wait=wait, purpose=purpose):
        lines = recover_service(deps, service)
        for line in lines:
            deps.tell("recovered", service, line)
        yield lines
