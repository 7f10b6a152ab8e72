"""Containers that carry our labels and belong to no release: reported, never touched."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.domain.containers import Container
from monitor.domain.names import KIND_ACCESS, LABEL_KIND


def strangers(containers: Iterable[Container], known: Iterable[str], locked: Iterable[str]) -> dict[str, str]:
    """Name and a line about each, by id.

    `known` are the ids or names of the recorded containers; what a service's holder of the lock is just making
    is left out.
    """
    ours, busy = set(known), set(locked)
    return {
        container.id: f"{container.name} ({container.image}, {container.state}) says it is {container.service or '?'}"
        for container in containers
        if container.id not in ours
        and container.name not in ours
        and container.service not in busy
        and container.labels.get(LABEL_KIND) != KIND_ACCESS
    }
