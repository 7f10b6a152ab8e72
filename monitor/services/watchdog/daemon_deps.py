"""What the daemon is put together from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.domain.alerting.conditions import Condition
from monitor.domain.health.watch import Watch
from monitor.ports.engine import Engine
from monitor.ports.watch import AlertRunner, AsyncProber, Scheduler, ServiceManager
from monitor.ports.web import WebServer
from monitor.services.watchdog.deps import WatchDeps, WatchSettings
from monitor.services.watchdog.proxywatch import ProxyWatch


class DaemonView(Protocol):
    """What the daemon's pages show of it; safe from any thread."""

    def problems(self) -> list[str]:
        """Why it is not ready, a line each."""
        ...

    def watches(self) -> dict[str, Watch]:
        """What it thinks of each service now."""
        ...

    def last_probe(self, service: str) -> tuple[bool, float] | None:
        """Whether the last answer was good, and the seconds it took; None before the first."""
        ...

    def up(self) -> tuple[bool, bool]:
        """Whether the engine answers, and whether the proxy does."""
        ...

    def lost_lines(self) -> int | None:
        """Lines of the access log that the proxy left out since it last started; None before it was asked."""
        ...


@dataclass(frozen=True, slots=True)
class DaemonDeps:
    """What the daemon puts together.

    `events` is an engine client of its own, since its stream holds a connection for good. `reload` reads bgmon.yml
    again and raises ConfigError, `stamp` changes when the file does. `extra` are (name, seconds, work).
    """

    watch: WatchDeps
    settings: WatchSettings
    events: Engine
    make_prober: Callable[[], AsyncProber]
    selfcheck: Callable[[], Awaitable[str]]
    alerting: AlertRunner
    scheduler: Scheduler
    manager: ServiceManager
    reload: Callable[[], WatchSettings]
    stamp: Callable[[], object]
    make_proxy: Callable[[Callable[[], bool]], ProxyWatch] | None = None
    make_server: Callable[[DaemonView], WebServer | None] = lambda _: None
    extra: Sequence[tuple[str, float, Callable[[], None]]] = ()
    reconcile: float = 30.0
    retention: float = 30 * 86400.0
    notices: Sequence[Condition] = ()
    max_probes: int = 256
    on_ready: Callable[[], None] = field(default=lambda: None)
