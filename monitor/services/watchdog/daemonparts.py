"""What the daemon is put together from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.domain.conditions import Condition
from monitor.ports.engine import Engine
from monitor.ports.watch import AlertRunner, AsyncProber, Chores, ServiceManager
from monitor.ports.web import WebServer
from monitor.services.watchdog.parts import WatchParts, WatchSettings
from monitor.services.watchdog.proxywatch import ProxyWatch

if TYPE_CHECKING:
    from monitor.services.watchdog.daemon import Daemon


@dataclass(frozen=True, slots=True)
class DaemonParts:
    """What the daemon puts together.

    `events` is an engine client of its own, since its stream holds a connection for good. `reload` reads bgmon.yml
    again and raises ConfigError, `stamp` changes when the file does. `chores` are (name, seconds, work).
    """

    watch: WatchParts
    settings: WatchSettings
    events: Engine
    make_prober: Callable[[], AsyncProber]
    selfcheck: Callable[[], Awaitable[str]]
    alerting: AlertRunner
    chores: Chores
    manager: ServiceManager
    reload: Callable[[], WatchSettings]
    stamp: Callable[[], object]
    make_proxy: Callable[[Callable[[], bool]], ProxyWatch] | None = None
    make_server: Callable[[Daemon], WebServer | None] = lambda _: None
    extra: Sequence[tuple[str, float, Callable[[], None]]] = ()
    reconcile: float = 30.0
    retention: float = 30 * 86400.0
    notices: Sequence[Condition] = ()
    max_probes: int = 256
    on_ready: Callable[[], None] = field(default=lambda: None)
