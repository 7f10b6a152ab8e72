"""The watchdog's part of the bootstrap: from an application to its daemon, a single round, and the status view."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from monitor.adapters.docker.engine import DockerEngine
from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.memory import EVERY as MEMORY_EVERY
from monitor.adapters.host.memory import Tidy, limit_arenas
from monitor.adapters.host.scheduler import ApScheduler
from monitor.adapters.host.systemd import Systemd
from monitor.adapters.http.prober import HttpProber
from monitor.adapters.http.selfcheck import loopback
from monitor.adapters.state.db import Database
from monitor.bootstrap_logs import LogWatch
from monitor.bootstrap_web import make_jobs, make_peers, make_server
from monitor.config.loader import load_file
from monitor.domain.alerting.conditions import Condition
from monitor.errors import BgmonError
from monitor.ports.alerts import Alerts
from monitor.render.haproxy import CONFIG
from monitor.services.deploy.deployer import DeployService
from monitor.services.deploy.deps import DeployEvent
from monitor.services.watchdog.daemon import Daemon
from monitor.services.watchdog.daemon_deps import DaemonDeps
from monitor.services.watchdog.degradation import WINDOW as STRAIN_WINDOW
from monitor.services.watchdog.degradation import degradations
from monitor.services.watchdog.deps import WatchDeps, WatchSettings
from monitor.services.watchdog.one_shot import OneShot
from monitor.services.watchdog.proxywatch import ProxyWatch
from monitor.services.watchdog.view import StatusView

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.config.schema import Config

log = logging.getLogger(__name__)

ENGINE_SECONDS: Final = 20.0

STRAIN_EVERY: Final = 30.0


def _tell(event: DeployEvent) -> None:
    log.info("%s: %s", event.service, event.text)


def settings(config: Config) -> WatchSettings:
    """What the reconciler takes from bgmon.yml."""
    from monitor.config.compile import service_specs

    return WatchSettings(
        specs=service_specs(config), host_budget=config.watch.host_budget, log_lines=config.watch.log_lines
    )


def watch_parts(app: App, alerts: Alerts, cancelled: Callable[[], bool]) -> WatchDeps:
    return WatchDeps(
        project=app.project,
        engine=DockerEngine(timeout=ENGINE_SECONDS),  # an engine that hangs must not hold the reconciler for a minute
        own=app.own,
        store=app.store,
        memory=app.watch_store,
        locks=app.locks,
        secrets=app.secrets,
        deployer=DeployService(app.deps(_tell, cancelled=cancelled, chat=False)),
        alerts=alerts,
        totals=app.totals,
        clock=SystemClock(),
    )


def make_round(app: App) -> OneShot:
    """For `bgmon watch --once`. Alerts are put into the outbox; who calls it has them delivered."""
    return OneShot(watch_parts(app, app.alerting.manager, lambda: False), settings(app.config), HttpProber)


def make_view(app: App, daemon: Daemon | None = None) -> StatusView:
    """From a running daemon, or from what the last one wrote down."""

    def probe(service: str) -> tuple[bool, float] | None:
        last = daemon.probing.last.get(service) if daemon is not None and daemon.probing is not None else None
        return (last.ok, last.seconds) if last is not None else None

    def budget(service: str) -> int | None:
        watch = watches().get(service)
        spec = app.specs.get(service)
        if watch is None or spec is None:
            return None
        now = time.time()
        return max(0, spec.heal.budget - sum(at > now - spec.heal.budget_window for at in watch.restarts))

    watches = app.watch_store.watches if daemon is None else lambda: daemon.reconciler.watches
    return StatusView(
        app.project,
        app.host,
        app.store,
        app.watch_store,
        watches=watches,
        totals=app.totals,
        probes=probe,
        budgets=budget,
        up=(lambda: (True, True))
        if daemon is None
        else lambda: (daemon.reconciler.engine.lost_at is None, daemon.proxy is None or daemon.proxy.up),
        firing=app.alerting.manager.firing,
    )


def make_daemon(app: App) -> Daemon:
    """Raises StateError without a usable state file."""
    limit_arenas()
    made: list[Daemon] = []
    app.database = Database(app.state_dir / "state.db", check=True)
    watch = watch_parts(app, app.alerting.manager, lambda: bool(made) and made[0].stopping)
    peers = make_peers(app)
    logs = LogWatch(app)

    def look_for_strain() -> None:
        now = time.time()
        windows = logs.window(list(app.specs), now - STRAIN_WINDOW, now)
        for daemon in made:
            daemon.reconciler.strains = degradations(app.specs, windows)

    def reload() -> WatchSettings:
        config = load_file(app.config_file)
        if config.project != app.project:
            raise BgmonError(f"the project is now called {config.project}: restart the daemon")
        app.take_config(config)
        app.reload_alerting()
        return settings(config)

    daemon = Daemon(
        DaemonDeps(
            watch=watch,
            settings=settings(app.config),
            events=app.engine,
            make_prober=HttpProber,
            selfcheck=loopback,
            alerting=app.alerting,
            scheduler=ApScheduler(),
            manager=Systemd(),
            reload=reload,
            stamp=lambda: _stamp(app),
            make_proxy=lambda stopped: _proxy_watch(app, watch, stopped),
            make_server=lambda daemon: make_server(
                app, make_view(app, daemon), peers, daemon.problems, [logs.collector()]
            ),
            extra=[
                *make_jobs(app, peers, lambda: [text for daemon in made for text in daemon.problems()]),
                ("logs", logs.every, logs.poll),
                ("memory", MEMORY_EVERY, Tidy()),
                ("strains", STRAIN_EVERY, look_for_strain),
            ],
            reconcile=app.config.watch.reconcile,
            retention=app.config.watch.retention,
            notices=_notices(app),
            max_probes=app.config.watch.max_probes,
        )
    )
    made.append(daemon)
    return daemon


def _proxy_watch(app: App, watch: WatchDeps, stopped: Callable[[], bool]) -> ProxyWatch:
    return ProxyWatch(
        app.proxy,
        app.routes,
        watch.deployer,
        needed=lambda: any(
            (release := watch.store.active(name)) is not None and release.port is not None
            for name in watch.store.services()
        ),
        # `bgmon proxy remove` takes its files away.
        stopped=lambda: stopped() or not (app.state_dir / "proxy" / CONFIG).exists(),
        locks=app.locks,
        alerts=watch.alerts,
        clock=watch.clock,
    )


def _notices(app: App) -> list[Condition]:
    """What has to be said at the start."""
    aside = app.database.set_aside
    if aside is None:
        return []
    summary = "the state file was corrupt and was set aside; releases must be deployed again to be watched"
    return [Condition("state", "", "page", summary, f"it is kept as {aside}")]


def _stamp(app: App) -> object:
    try:
        facts = app.config_file.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
