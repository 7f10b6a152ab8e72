"""What the watchdog is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.domain.deploy.spec import ServiceSpec
from monitor.ports.alerts import Alerts
from monitor.ports.clock import Clock
from monitor.ports.deployer import Deployer
from monitor.ports.deploys import DeployStore, Locks, Secrets
from monitor.ports.engine import Engine
from monitor.ports.own import OwnContainers
from monitor.ports.totals import Totals
from monitor.ports.watch import WatchStore


@dataclass(frozen=True, slots=True)
class WatchDeps:
    """Everything outside that the reconciler needs."""

    project: str
    engine: Engine
    own: OwnContainers
    store: DeployStore
    memory: WatchStore
    locks: Locks
    secrets: Secrets
    deployer: Deployer
    alerts: Alerts
    totals: Totals
    clock: Clock


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """What bgmon.yml says; replaced as a whole when it is read again.

    `host_budget` is how many acts the whole host may see in `host_window` seconds; None grants two a service, ten at
    least.
    """

    specs: Mapping[str, ServiceSpec] = field(default_factory=dict)
    host_budget: int | None = None
    host_window: float = 600.0
    log_lines: int = 20

    def host_acts(self, services: int) -> int:
        return max(10, 2 * services) if self.host_budget is None else self.host_budget
