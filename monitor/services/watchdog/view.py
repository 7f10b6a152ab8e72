"""The picture of this host that the status page, the API and `bgmon top` show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitor.domain.alerting.conditions import Condition
from monitor.domain.deploy.records import Release
from monitor.domain.health.status import (
    DeployView,
    HealthBucket,
    IncidentView,
    ServiceView,
    StatusSnapshot,
)
from monitor.domain.health.watch import Watch
from monitor.domain.names import METRIC_RESTARTS
from monitor.ports.deploys import DeployStore
from monitor.ports.totals import Totals
from monitor.ports.watch import WatchStore

DAY: Final = 86400.0
_RECENT: Final = 20


class StatusView:
    """The StatusSource port, from the state file and the reconciler's memory; safe from any thread.

    Args:
        project: the project's name.
        host: what this machine is called.
        store: releases and deploys.
        memory: incidents and probe history.
        watches: what the watchdog thinks of each service now.
        totals: how often each service was restarted.
        probes: the last answer of a service, if any: whether it was good, and its seconds.
        budgets: the restarts a service has left.
        up: whether the engine, and whether the proxy answers.
        firing: open alerts.
    """

    def __init__(
        self,
        project: str,
        host: str,
        store: DeployStore,
        memory: WatchStore,
        *,
        watches: Callable[[], dict[str, Watch]],
        totals: Totals,
        probes: Callable[[str], tuple[bool, float] | None],
        budgets: Callable[[str], int | None],
        up: Callable[[], tuple[bool, bool]],
        firing: Callable[[], tuple[Condition, ...]],
    ) -> None:
        self._project = project
        self._host = host
        self._store = store
        self._memory = memory
        self._watches = watches
        self._totals = totals
        self._probes = probes
        self._budgets = budgets
        self._up = up
        self._firing = firing

    def snapshot(self, now: float) -> StatusSnapshot:
        history = self._memory.buckets(now - DAY)
        watches = dict(self._watches())
        restarts: dict[str, float] = {}
        for labels, count in self._totals.of(METRIC_RESTARTS).items():
            restarts[labels[0]] = restarts.get(labels[0], 0.0) + count
        services = []
        for name in self._store.services():
            release = self._store.active(name)
            if release is not None:
                services.append(
                    self._service(release, watches.get(name), history.get(name, []), restarts.get(name, 0.0))
                )
        engine_up, proxy_up = self._up()
        return StatusSnapshot(
            project=self._project,
            host=self._host,
            at=now,
            engine_up=engine_up,
            proxy_up=proxy_up,
            services=tuple(services),
            incidents=tuple(self._memory.incidents(limit=_RECENT)),
            deploys=tuple(self._deploys()),
            firing=self._firing(),
        )

    def incidents(self, *, service: str | None = None, limit: int = 50) -> list[IncidentView]:
        return self._memory.incidents(service=service, limit=limit)

    def _service(
        self, release: Release, watch: Watch | None, history: list[HealthBucket], restarts: float
    ) -> ServiceView:
        probe = self._probes(release.service)
        return ServiceView(
            name=release.service,
            state=watch.state if watch is not None else "unknown",
            since=watch.since if watch is not None else None,
            color=release.color,
            version=release.version,
            image=release.image,
            port=release.port,
            restarts=int(restarts),
            reason=watch.reason if watch is not None else "",
            history=tuple(history),
            probe_ok=probe[0] if probe is not None else None,
            probe_seconds=probe[1] if probe is not None else None,
            maintenance=self._store.flags(release.service).maintenance,
            budget=self._budgets(release.service),
        )

    def _deploys(self) -> list[DeployView]:
        return [
            DeployView(
                service=record.service,
                version=record.version,
                kind=record.kind,
                result=record.result or "under way",
                who=record.who,
                started_at=record.started_at,
                finished_at=record.finished_at,
            )
            for record in self._store.deploys(limit=_RECENT)
        ]
