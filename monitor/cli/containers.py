"""Finding the container that a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.cli.services import require
from monitor.errors import NotFound

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.containers import Container


def active_container(app: App, service: str) -> Container:
    """The container of the active release, by its recorded id. Raises UsageError, NotFound."""
    from monitor.services.deploy.lifecycle import deployed
    from monitor.services.deploy.own import lookalikes, running_release

    release = deployed(app.store, require(app, service))
    container = running_release(app.engine, release)
    if container is None:
        others = lookalikes(app.engine, app.own, app.project, service)
        named = "; ".join(f"{one.name} only carries its labels" for one in others)
        raise NotFound(
            f"the container of {service} is gone" + (f" ({named})" if named else ""),
            hint=f"make it again with: bgmon start {service}",
        )
    return container
