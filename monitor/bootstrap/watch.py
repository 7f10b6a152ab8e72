"""The watchdog: its daemon, a single round, and the status view."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from monitor.adapters.docker.engine import DockerEngine
from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.memory import EVERY as MEMORY_EVERY
from monitor.adapters.host.memory import Tidy, limit_arenas
from monitor.adapters.host.scheduler import ApScheduler
from monitor.adapters.host.systemd import Systemd
from monitor.adapters.http.prober import HttpProber
from monitor.adapters.http.selfcheck import loopback
from monitor.adapters.prometheus.certificates import CertificatesCollector
from monitor.adapters.prometheus.jobs import JobsCollector
from monitor.adapters.prometheus.proxylog import ProxyLogCollector
from monitor.bootstrap.certificates import make_keeper
from monitor.bootstrap.deploy import make_deps
from monitor.bootstrap.dns import make_name_watch
from monitor.bootstrap.logs import LogWatch
from monitor.bootstrap.proxy import live_proxy
from monitor.bootstrap.web import make_jobs, make_peers, make_server
from monitor.config.loader import load_file
from monitor.domain.alerting.conditions import Condition
from monitor.domain.health.backoff import restarts_left
from monitor.errors import BgmonError
from monitor.render.haproxy import CONFIG
from monitor.services.deploy.deployer import DeployService
from monitor.services.deploy.deps import DeployEvent
from monitor.services.jobs import JobRunner
from monitor.services.watchdog.daemon import Daemon
from monitor.services.watchdog.daemon_deps import DaemonDeps, DaemonView
from monitor.services.watchdog.degradation import WINDOW as STRAIN_WINDOW
from monitor.services.watchdog.degradation import degradations
from monitor.services.watchdog.deps import WatchDeps, WatchSettings
from monitor.services.watchdog.one_shot import OneShot
from monitor.services.watchdog.proxywatch import ProxyWatch
from monitor.services.watchdog.view import StatusView

if TYPE_CHECKING:
    from monitor.bootstrap.resources import Resources
    from monitor.bootstrap.wiring import Wiring
    from monitor.config.schema import Config
    from monitor.services.alerting.runner import Alerting

log = logging.getLogger(__name__)

ENGINE_SECONDS: Final = 20.0

STRAIN_EVERY: Final = 30.0

CERTIFICATES_EVERY: Final = 15.0
NAMES_EVERY: Final = 60.0
JOBS_EVERY: Final = 1.0


def _tell(event: DeployEvent) -> None:
    log.info("%s: %s", event.service, event.text)


def settings(wiring: Wiring) -> WatchSettings:
    """What the reconciler takes from bgmon.yml."""
    section = wiring.config.watch
    return WatchSettings(specs=wiring.specs, host_budget=section.host_budget, log_lines=section.log_lines)


def _watch_deps(
    resources: Resources, current: Callable[[], Wiring], alerting: Alerting, cancelled: Callable[[], bool]
) -> WatchDeps:
    deploys = make_deps(resources, current, lambda: alerting, _tell, cancelled=cancelled, chat=False)
    return WatchDeps(
        project=resources.project,
        engine=DockerEngine(timeout=ENGINE_SECONDS),  # an engine that hangs must not hold the reconciler for a minute
        own=resources.own,
        store=resources.store,
        memory=resources.watch_store,
        locks=resources.locks,
        secrets=resources.secrets,
        deployer=DeployService(deploys),
        alerts=alerting.manager,
        totals=resources.totals,
        clock=SystemClock(),
    )


def make_one_shot(resources: Resources, wiring: Wiring, alerting: Alerting) -> OneShot:
    """For `bgmon watch --once`. Alerts are put into the outbox; who calls it has them delivered."""
    deps = _watch_deps(resources, lambda: wiring, alerting, lambda: False)
    return OneShot(deps, settings(wiring), partial(HttpProber, resources.secrets.resolve))


def make_view(
    resources: Resources, current: Callable[[], Wiring], alerting: Alerting, daemon: DaemonView | None = None
) -> StatusView:
    """From a running daemon, or from what the last one wrote down."""

    def budget(service: str) -> int | None:
        watch = watches().get(service)
        spec = current().specs.get(service)
        if watch is None or spec is None:
            return None
        return restarts_left(spec.heal.budget, watch.restarts, spec.heal.budget_window, time.time())

    watches = resources.watch_store.watches if daemon is None else daemon.watches
    return StatusView(
        resources.project,
        resources.host,
        resources.store,
        resources.watch_store,
        watches=watches,
        totals=resources.totals,
        probes=(lambda _: None) if daemon is None else daemon.last_probe,
        budgets=budget,
        up=(lambda: (True, True)) if daemon is None else daemon.up,
        firing=alerting.manager.firing,
    )


def make_daemon(
    resources: Resources, current: Callable[[], Wiring], alerting: Alerting, take: Callable[[Config], Wiring]
) -> Daemon:
    """The daemon, not yet started.

    Args:
        resources: the project on this host.
        current: bgmon.yml as it is now.
        alerting: who tells people.
        take: goes on with another configuration; what is `current` from then on.

    Raises:
        StateError: without a usable state file.
    """
    limit_arenas()
    made: list[Daemon] = []
    watch = _watch_deps(resources, current, alerting, lambda: bool(made) and made[0].stopping)
    section = current().config.watch
    peers = make_peers(current().config, alerting.manager)
    logs = LogWatch(current)
    keeper = make_keeper(resources, current, alerting.manager)
    jobs = JobRunner(
        make_deps(
            resources,
            current,
            lambda: alerting,
            _tell,
            cancelled=lambda: bool(made) and made[0].stopping,
            chat=False,
        ),
        lambda: current().jobs_here(),
        alerting.manager,
        resources.totals,
        resources.backups,
        start=_in_a_thread,
    )

    def look_for_degradation() -> None:
        now = time.time()
        specs = current().specs
        windows = logs.window(list(specs), now - STRAIN_WINDOW, now)
        for daemon in made:
            daemon.reconciler.strains = degradations(specs, windows)

    def reload() -> WatchSettings:
        config = load_file(resources.config_file)
        if config.project != resources.project:
            raise BgmonError(f"the project is now called {config.project}: restart the daemon")
        return settings(take(config))

    def problems() -> list[str]:
        return [text for daemon in made for text in daemon.problems()]

    daemon = Daemon(
        DaemonDeps(
            watch=watch,
            settings=settings(current()),
            events=resources.engine,
            make_prober=partial(HttpProber, resources.secrets.resolve),
            selfcheck=loopback,
            alerting=alerting,
            scheduler=ApScheduler(),
            manager=Systemd(),
            reload=reload,
            stamp=lambda: _stamp(resources),
            make_proxy=lambda stopped: _proxy_watch(resources, current, watch, stopped),
            make_server=lambda view: make_server(
                current().config,
                resources,
                make_view(resources, current, alerting, view),
                peers,
                view.problems,
                extra=[
                    logs.collector(),
                    CertificatesCollector(keeper.states),
                    JobsCollector(resources.totals, jobs.views),
                    ProxyLogCollector(view.lost_lines),
                ],
            ),
            extra=[
                *make_jobs(current().config, peers, problems),
                ("certificates", CERTIFICATES_EVERY, keeper.round),
                ("dns", NAMES_EVERY, make_name_watch(lambda: current().config, alerting.manager).round),
                ("jobs", JOBS_EVERY, jobs.round),
                ("logs", logs.every, logs.poll),
                ("memory", MEMORY_EVERY, Tidy()),
                ("strains", STRAIN_EVERY, look_for_degradation),
            ],
            reconcile=section.reconcile,
            retention=section.retention,
            notices=_notices(resources),
            max_probes=section.max_probes,
        )
    )
    made.append(daemon)
    return daemon


def _in_a_thread(work: Callable[[], None]) -> None:
    """Each run of a job waits for its container; the daemon ends without waiting for them."""

    def guarded() -> None:
        try:
            work()
        except BgmonError as error:
            log.warning("%s", error)
        except Exception:  # a thread keeps what it throws to itself
            log.exception("a job failed")

    threading.Thread(target=guarded, name="bgmon-job", daemon=True).start()


def _proxy_watch(
    resources: Resources, current: Callable[[], Wiring], watch: WatchDeps, stopped: Callable[[], bool]
) -> ProxyWatch:
    return ProxyWatch(
        live_proxy(current),
        lambda: current().routes(),
        watch.deployer,
        needed=lambda: any(
            (release := watch.store.active(name)) is not None and release.port is not None
            for name in watch.store.services()
        ),
        # `bgmon proxy remove` takes its files away.
        stopped=lambda: stopped() or not (resources.state_dir / "proxy" / CONFIG).exists(),
        locks=resources.locks,
        alerts=watch.alerts,
        clock=watch.clock,
    )


def _notices(resources: Resources) -> list[Condition]:
    """What has to be said at the start."""
    aside = resources.database.set_aside
    if aside is None:
        return []
    summary = "the state file was corrupt and was set aside; releases must be deployed again to be watched"
    return [Condition("state", "", "page", summary, f"it is kept as {aside}")]


def _stamp(resources: Resources) -> object:
    try:
        facts = resources.config_file.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
