"""Finding the container that a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.cli.services import require
from monitor.errors import NotFound

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.containers import Container


def active_container(app: App, service: str) -> Container:
    """The container of the active release. Raises UsageError, NotFound."""
    from monitor.services.deploy.candidate import find  # noqa: PLC0415
    from monitor.services.deploy.lifecycle import deployed  # noqa: PLC0415

    release = deployed(app.store, require(app, service))
    container = find(app.engine, app.project, release.deploy)
    if container is None:
        raise NotFound(f"the container of {service} is gone", hint=f"make it again with: bgmon start {service}")
    return container
