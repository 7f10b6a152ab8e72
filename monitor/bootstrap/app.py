"""The application: a project on this host, and what bgmon.yml says of it now."""

from __future__ import annotations

import contextlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import masking
from monitor.bootstrap.paths import state_root
from monitor.bootstrap.resources import Resources
from monitor.bootstrap.wiring import Wiring
from monitor.config.loader import find_file, load_file
from monitor.config.secrets import declared
from monitor.errors import BgmonError

if TYPE_CHECKING:  # imported when first used: each costs tens of milliseconds
    from collections.abc import Callable

    from monitor.bootstrap.generation import Generation
    from monitor.bootstrap.hosts import ProjectHosts
    from monitor.config.schema import Config
    from monitor.domain.deploy.spec import ServiceSpec
    from monitor.domain.jobs import Job
    from monitor.domain.proxy.routes import ServiceRoute
    from monitor.ports.proxy import Proxy
    from monitor.ports.requests import RequestStats
    from monitor.services.alerting.runner import Alerting
    from monitor.services.certificates import CertificateKeeper
    from monitor.services.deploy.deps import DeployDeps, Emit
    from monitor.services.watchdog.daemon import Daemon
    from monitor.services.watchdog.one_shot import OneShot
    from monitor.services.watchdog.view import StatusView


class App(Resources):
    """What commands work with. `wiring` is replaced as a whole when bgmon.yml is read again."""

    def __init__(self, config: Config, config_file: Path, *, verbose: int = 0) -> None:
        super().__init__(config.project, config_file, state_root(config, config_file.parent) / config.project)
        self.verbose = verbose
        self.wiring = Wiring(config, self)
        masking.learn(declared(config))
        masking.watch(self._teach)

    def _current(self) -> Wiring:
        return self.wiring

    @property
    def config(self) -> Config:
        """What bgmon.yml says now."""
        return self.wiring.config

    @property
    def specs(self) -> dict[str, ServiceSpec]:
        """The policy of every service in bgmon.yml."""
        return self.wiring.specs

    @property
    def jobs(self) -> dict[str, Job]:
        """Every job of bgmon.yml."""
        return self.wiring.jobs

    def jobs_here(self) -> dict[str, Job]:
        """Those that this host runs."""
        return self.wiring.jobs_here()

    @property
    def generation(self) -> Generation:
        """Generated files and boards."""
        return self.wiring.generation

    @cached_property
    def proxy(self) -> Proxy:
        """The proxy as bgmon.yml has it, also after `take_config`."""
        from monitor.bootstrap.proxy import live_proxy

        return live_proxy(self._current)

    def routes(self) -> list[ServiceRoute]:
        """What the proxy is to carry now."""
        return self.wiring.routes()

    @cached_property
    def request_stats(self) -> RequestStats:
        """Request metrics of any window, straight from the log."""
        from monitor.bootstrap.logs import request_stats

        return request_stats(self._current)

    @cached_property
    def alerting(self) -> Alerting:
        """Alerts: start it, fire into `alerting.manager`, stop it."""
        from monitor.bootstrap.alerts import make_alerting

        return make_alerting(self, self.wiring)

    def deps(self, emit: Emit, *, cancelled: Callable[[], bool] = lambda: False, chat: bool = True) -> DeployDeps:
        """Everything that deploys are made of; `emit` is told what happens, and with `chat` people are."""
        from monitor.bootstrap.deploy import make_deps

        return make_deps(self, self._current, lambda: self.alerting, emit, cancelled=cancelled, chat=chat)

    def hosts(self, *, sharing: bool = False) -> ProjectHosts:
        """The hosts of bgmon.yml; with `sharing`, commands share connections, and it has to be closed."""
        from monitor.bootstrap.hosts import ProjectHosts

        return ProjectHosts(self, self.wiring, sharing=sharing)

    def watch_daemon(self) -> Daemon:
        """The daemon, not yet started. Raises StateError without a usable state file."""
        from monitor.bootstrap.watch import make_daemon

        self.check_database()
        return make_daemon(self, self._current, self.alerting, self.take_config)

    def one_shot(self) -> OneShot:
        """One round of the watchdog."""
        from monitor.bootstrap.watch import make_one_shot

        return make_one_shot(self, self.wiring, self.alerting)

    def certificates_keeper(self, *, staging: bool = False) -> CertificateKeeper:
        """What gets and renews certificates; with `staging` from the server for tests."""
        from monitor.bootstrap.certificates import make_keeper

        return make_keeper(self, self._current, staging=staging)

    def status_view(self) -> StatusView:
        """The picture that the last daemon left in the state file."""
        from monitor.bootstrap.watch import make_view

        return make_view(self, self._current, self.alerting)

    def take_config(self, config: Config) -> Wiring:
        """Go on with another configuration of the same project, as a daemon does when bgmon.yml changed.

        Raises UsageError when notify.templates is no folder; then the former configuration stays.
        """
        wiring = Wiring(config, self)
        masking.learn(declared(config))
        if "alerting" in vars(self):
            from monitor.bootstrap.alerts import reconfigure

            reconfigure(self.alerting, wiring)
        self.wiring = wiring
        return wiring

    def _teach(self) -> None:
        """Before each text that is masked: it must not fail, and costs two looks at the disk when nothing is new."""
        with contextlib.suppress(BgmonError):
            self.secrets.teach(name for service in self.config.all_services.values() for name in service.secrets)

    def close(self) -> None:
        """Let go of the log source, the engine and the state file, where they were used."""
        self.wiring.close()
        super().close()


def build(config_file: str | None, *, verbose: int = 0) -> App:
    """The application for the configuration found. Raises UsageError without one, ConfigError for a wrong one."""
    path = find_file(config_file).resolve()
    return App(load_file(path), path, verbose=verbose)
