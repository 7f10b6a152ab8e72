"""Containers that carry our labels and belong to no release: reported, never touched."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from monitor.domain.alerting.conditions import Condition
from monitor.domain.containers import Container
from monitor.domain.names import LABEL_PROJECT
from monitor.errors import EngineError, EngineUnreachable
from monitor.services.watchdog.deps import WatchDeps

log = logging.getLogger(__name__)


def orphans(containers: Iterable[Container], known: Collection[str], locked: Iterable[str]) -> dict[str, str]:
    """A line about each, by id.

    `known` are the ids of the recorded containers; what a service's holder of the lock is just making is left out.
    """
    busy = set(locked)
    return {
        container.id: f"{container.name} ({container.image}, {container.state}) says it is {container.service or '?'}"
        for container in containers
        if container.id not in known and container.service not in busy
    }


class OrphanWatch:
    """Tells of each once, seen in two rounds: what a deploy has just made or is about to remove is none."""

    def __init__(self, deps: WatchDeps) -> None:
        self._deps = deps
        self._seen: set[str] = set()
        self._told: set[str] = set()

    def look(self) -> None:
        deps = self._deps
        try:
            containers = deps.engine.containers({LABEL_PROJECT: deps.project})
            ours = {one.id for one in containers if self._of_the_proxy(one.id)}
        except (EngineError, EngineUnreachable) as error:  # it may go between the two
            log.info("containers could not be listed: %s", error)
            return
        active = [release.container for name in deps.store.services() if (release := deps.store.active(name))]
        named = {container.service for container in containers if container.service}
        busy = [name for name in named if deps.locks.held(name)]
        found = orphans(containers, {*active, *ours}, busy)
        again = found.keys() & self._seen
        for ref in again - self._told:
            log.warning("a container that no release knows is left alone: %s", found[ref])
            condition = Condition("orphan", "", "info", "a container that no release knows", found[ref])
            deps.alerts.tell(condition, deps.clock.now())
        self._told = (self._told & found.keys()) | again
        self._seen = set(found)

    def _of_the_proxy(self, container: str) -> bool:
        made = self._deps.own.knows(container)
        return made is not None and made.role != "app"
