"""What deploys are made of: the ports they speak to, the order they carry out, and what they tell meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from monitor import masking
from monitor.domain.deploy.records import DeployRecord
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.proxy.reach import ReachMode
from monitor.domain.proxy.routes import ServiceRoute
from monitor.ports.clock import Clock
from monitor.ports.deploys import DeployStore, Hooks, Host, Locks, Secrets
from monitor.ports.engine import Engine
from monitor.ports.own import OwnContainers
from monitor.ports.probe import Prober
from monitor.ports.proxy import Proxy
from monitor.ports.requests import RequestStats
from monitor.ports.tasks import TaskStore
from monitor.services.deploy.together import Together

PullPolicy = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class DeployEvent:
    """Something that happened to a deploy; `at` is in unix seconds. Never holds a secret."""

    event: str
    service: str
    at: float
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


Emit = Callable[[DeployEvent], None]


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """One deploy that somebody asks for.

    `secrets` None means: resolve them now; a rollback brings those that its release was deployed with, and in `pinned`
    the very image. `wait` is how many seconds to wait for the service's lock.
    """

    spec: ServiceSpec
    image: str
    version: str
    kind: Literal["deploy", "rollback"] = "deploy"
    pinned: str | None = None
    pull: PullPolicy = "auto"
    secrets: Mapping[str, str] | None = field(default=None, repr=False)
    wait: float = 0.0
    release: bool = True  # whether the service's release command runs, which a rollback never does


@dataclass(frozen=True, slots=True)
class DeployDeps:
    """Everything outside that a deploy needs."""

    project: str
    engine: Engine
    own: OwnContainers
    proxy: Proxy
    store: DeployStore
    locks: Locks
    tasks: TaskStore
    secrets: Secrets
    hooks: Hooks
    host: Host
    prober: Prober
    clock: Clock
    port_range: tuple[int, int]
    routes: Callable[[], list[ServiceRoute]]
    who: str
    emit: Emit
    stats: RequestStats | None = None
    announce: Callable[[DeployRecord], None] | None = None
    cancelled: Callable[[], bool] = lambda: False
    reach: ReachMode = "auto"
    together: Together | None = None  # with whom it goes on, or not at all
    subnet: str | None = None  # of the project's network; None lets the engine choose

    def tell(self, event: str, service: str, text: str, **data: Any) -> None:
        shown = masking.document({"text": text, "data": data})
        self.emit(DeployEvent(event, service, self.clock.now(), shown["text"], shown["data"]))
