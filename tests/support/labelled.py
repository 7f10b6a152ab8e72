"""A record of containers for tests that make them past bgmon: it believes what their labels say."""

from __future__ import annotations

from collections.abc import Callable

from monitor.adapters.docker.log_source.transport import EngineHttp
from monitor.domain.names import KIND_ACCESS, LABEL_KIND, LABEL_SERVICE
from monitor.domain.own import Made
from monitor.errors import NotFound


def whose_by_label(url: str) -> Callable[[str], Made | None]:
    """What DockerLogSource takes as `whose`."""
    engine = EngineHttp(url)

    def whose(container: str) -> Made | None:
        try:
            labels = engine.get(f"/containers/{container}/json", {})["Config"]["Labels"] or {}
        except NotFound:
            return None
        role = "proxy" if labels.get(LABEL_KIND) == KIND_ACCESS else "app"
        return Made(container, role, labels.get(LABEL_SERVICE, ""), "", 0.0, container)  # type: ignore[arg-type]

    return whose
