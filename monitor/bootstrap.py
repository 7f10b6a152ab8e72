"""The only place that picks adapters: from bgmon.yml to the objects that commands and the daemon work with."""

from __future__ import annotations

import logging
import os
import re
import socket
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from monitor.config.loader import find_file, load_file
from monitor.domain.names import name_problem
from monitor.errors import UsageError

if TYPE_CHECKING:  # imported when first used: each costs tens of milliseconds
    from collections.abc import Callable, Iterator

    from monitor.adapters.docker.engine import DockerEngine
    from monitor.adapters.grafana.client import GrafanaApi
    from monitor.adapters.host.locks import FileLocks
    from monitor.adapters.host.outfolder import DiskFolder
    from monitor.adapters.host.secrets import FileSecrets
    from monitor.adapters.notify.messages import Messages
    from monitor.adapters.state.alerts import SqliteAlertStore
    from monitor.adapters.state.db import Database
    from monitor.adapters.state.deploys import SqliteDeployStore
    from monitor.adapters.state.totals import SqliteTotals
    from monitor.adapters.state.watch import SqliteWatchStore
    from monitor.config.schema import Config
    from monitor.domain.alerting.open_alerts import AlertPolicy
    from monitor.domain.boards.board import Catalogue as BoardCatalogue
    from monitor.domain.deploy.spec import ServiceSpec
    from monitor.domain.logs.rules import LogRule
    from monitor.domain.proxy.routes import ServiceRoute
    from monitor.ports.annotations import Annotations
    from monitor.ports.logs import LogSource
    from monitor.ports.notify import AlertSink, Channel
    from monitor.ports.own import OwnContainers
    from monitor.ports.proxy import Proxy
    from monitor.ports.requests import RequestStats
    from monitor.ports.series import SeriesSource
    from monitor.render.render_all import GeneratedFiles, Sources
    from monitor.render.site import Site
    from monitor.services.alerting.runner import Alerting
    from monitor.services.deploy.deps import DeployDeps, Emit
    from monitor.services.logmetrics.poller import LogPoller
    from monitor.services.watchdog.daemon import Daemon
    from monitor.services.watchdog.one_shot import OneShot
    from monitor.services.watchdog.view import StatusView

log = logging.getLogger(__name__)


class App:
    """Everything of one project on this host, made when first asked for."""

    def __init__(self, config: Config, config_file: Path, *, verbose: int = 0) -> None:
        self.config = config
        self.config_file = config_file
        self.verbose = verbose

    @property
    def project(self) -> str:
        return self.config.project

    @property
    def folder(self) -> Path:
        """The project's folder: where bgmon.yml stands, and .bgmon beside it."""
        return self.config_file.parent

    @cached_property
    def state_dir(self) -> Path:
        """Where this project's state, locks and proxy files live on this host."""
        return state_root(self.config, self.folder) / self.project

    @cached_property
    def database(self) -> Database:
        from monitor.adapters.state.db import Database

        database = Database(self.state_dir / "state.db")
        if database.set_aside is not None:
            log.warning(
                "the state file was corrupt and is kept as %s; bgmon begins with an empty one", database.set_aside
            )
        return database

    @cached_property
    def specs(self) -> dict[str, ServiceSpec]:
        """The policy of every service in bgmon.yml."""
        from monitor.config.compile import service_specs

        return service_specs(self.config)

    @cached_property
    def engine(self) -> DockerEngine:
        from monitor.adapters.docker.engine import DockerEngine

        return DockerEngine()

    def close(self) -> None:
        """Let go of the engine and the state file, where they were used."""
        used = vars(self)  # where cached_property keeps what was asked for
        for name in ("log_source", "engine", "database"):
            if name in used:
                used[name].close()

    @cached_property
    def store(self) -> SqliteDeployStore:
        from monitor.adapters.state.deploys import SqliteDeployStore

        return SqliteDeployStore(self.database)

    @cached_property
    def own(self) -> OwnContainers:
        """Which containers are ours: every command asks it."""
        from monitor.adapters.docker.own import RecordedContainers
        from monitor.adapters.state.containers import SqliteContainers

        return RecordedContainers(
            lambda: self.engine, SqliteContainers(self.database), self.project, self.state_dir / "proxy"
        )

    @cached_property
    def proxy(self) -> Proxy:
        """The proxy as bgmon.yml has it, also after `take_config`."""
        return cast("Proxy", _Live(lambda: self._driver))

    @cached_property
    def _driver(self) -> Proxy:
        """The proxy's driver; nothing is started. The engine is reached only when the proxy runs in a container."""
        from monitor.adapters.haproxy.make import make_proxy

        return make_proxy(
            self.config.proxy,
            project=self.project,
            folder=self.state_dir / "proxy",
            base=self.folder,
            engine=lambda: self.engine,
            own=self.own,
        )

    def take_config(self, config: Config) -> None:
        """Go on with another configuration of the same project, as a daemon does when bgmon.yml changed."""
        self.config = config
        for name in ("specs", "_driver"):
            self.__dict__.pop(name, None)

    def routes(self) -> list[ServiceRoute]:
        """What the proxy is to carry now: bgmon.yml, the recorded slots, and what a person decided."""
        from monitor.domain.proxy.routes import service_routes

        flags = {name: self.store.flags(name) for name in self.specs}
        specs = [self._routed_as(spec) for spec in self.specs.values()]
        return service_routes(specs, self.store.all_slots(), flags)

    def _routed_as(self, spec: ServiceSpec) -> ServiceSpec:
        """A service that loses its port keeps its traffic until the deploy which takes it."""
        active = None if spec.proxied else self.store.active(spec.name)
        if active is None or active.port is None:
            return spec
        from monitor.config.compile import spec_from_json

        return spec_from_json(active.spec)

    def proxy_config(self) -> str:
        """The proxy's configuration as it would be written now."""
        from monitor.adapters.haproxy.make import settings_of
        from monitor.render.haproxy import CONFIG, render

        return render(self.routes(), settings_of(self.config.proxy)).files[CONFIG]

    @cached_property
    def locks(self) -> FileLocks:
        from monitor.adapters.host.locks import FileLocks

        return FileLocks(self.state_dir / "locks")

    @cached_property
    def secrets(self) -> FileSecrets:
        from monitor.adapters.host.secrets import FileSecrets

        return FileSecrets(self.folder / ".bgmon" / "secrets", self.state_dir / "secrets", os.environ)

    @property
    def host(self) -> str:
        """What this machine is called in messages and on the status page."""
        return os.environ.get("BGMON_HOST") or socket.gethostname()

    @cached_property
    def messages(self) -> Messages:
        """The renderer of chat messages. Raises UsageError when notify.templates is no folder."""
        from monitor.adapters.notify import make_messages

        return make_messages(self.config.notify, project=self.project, host=self.host, folder=self.folder)

    @cached_property
    def alert_store(self) -> SqliteAlertStore:
        from monitor.adapters.state.alerts import SqliteAlertStore

        return SqliteAlertStore(self.database)

    @cached_property
    def alerting(self) -> Alerting:
        """Alerts: start it, fire into `alerting.manager`, stop it."""
        from monitor.adapters.host.clock import SystemClock
        from monitor.adapters.state.resilient_alerts import ResilientAlertStore
        from monitor.services.alerting.runner import Alerting

        section = self.config.notify
        return Alerting(
            ResilientAlertStore(self.alert_store),
            self._channels(),
            self._sink(),
            self._alert_policy(),
            SystemClock(),
            locks=self.locks,
            deadline=section.deadline,
        )

    def reload_alerting(self) -> None:
        """Take channels and policy out of `config` again. Raises UsageError when notify.templates is no folder."""
        self.__dict__.pop("messages", None)
        self.alerting.reconfigure(
            self._channels(), self._sink(), self._alert_policy(), deadline=self.config.notify.deadline
        )

    def _channels(self) -> list[Channel]:
        from monitor.adapters.notify import make_channels

        return make_channels(self.config.notify, self.messages, project=self.project, host=self.host)

    def _sink(self) -> AlertSink | None:
        from monitor.adapters.notify import make_sink

        return make_sink(self.config.notify, project=self.project, host=self.host)

    def _alert_policy(self) -> AlertPolicy:
        from monitor.domain.alerting.open_alerts import AlertPolicy

        needs = {name: service.depends_on for name, service in self.config.services.items()}
        return AlertPolicy(group=self.config.notify.group, repeat=self.config.notify.repeat, needs=needs)

    @cached_property
    def watch_store(self) -> SqliteWatchStore:
        from monitor.adapters.state.watch import SqliteWatchStore

        return SqliteWatchStore(self.database)

    @cached_property
    def totals(self) -> SqliteTotals:
        from monitor.adapters.state.totals import SqliteTotals

        return SqliteTotals(self.database)

    def watch_daemon(self) -> Daemon:
        """Raises StateError without a usable state file."""
        from monitor.bootstrap_watch import make_daemon

        return make_daemon(self)

    def watch_round(self) -> OneShot:
        from monitor.bootstrap_watch import make_round

        return make_round(self)

    def status_view(self) -> StatusView:
        """The picture that the last daemon left in the state file."""
        from monitor.bootstrap_watch import make_view

        return make_view(self)

    @cached_property
    def channel_texts(self) -> list[str]:
        """`notify.urls` as they stand in bgmon.yml, with variables for what is secret."""
        from monitor.config.contacts import channel_texts

        return channel_texts(self.config_file)

    @cached_property
    def site(self) -> Site:
        """What generated files are about."""
        from monitor.config.site import site_of

        return site_of(self.config, self.channel_texts)

    def generate_sources(self) -> Sources:
        """The catalogues and templates that files are generated from. Raises ConfigError for a wrong one."""
        from monitor.config.sources import load_sources

        return load_sources(self.config.generate, self.folder)

    def generate_inputs(self, sources: Sources) -> str:
        """A hash of everything that generated files depend on, bgmon's own code included."""
        from monitor.config.sources import inputs_digest

        return inputs_digest(self.site, sources)

    def rendered(self, sources: Sources | None = None) -> GeneratedFiles:
        """All generated files. Raises ConfigError for a wrong catalogue, GenerateError for a wrong template."""
        from monitor.adapters.templates.limited import render_limited
        from monitor.render.render_all import render_all

        return render_all(self.site, sources or self.generate_sources(), render_limited)

    @cached_property
    def boards(self) -> BoardCatalogue:
        """The shipped boards and the user's. Raises ConfigError for a wrong catalogue."""
        from monitor.config.sources import load_sources

        return load_sources(self.config.generate, self.folder).boards

    @property
    def prometheus_url(self) -> str | None:
        """Where Prometheus is, when bgmon.yml says so."""
        section = self.config.generate
        return section.prometheus.url if "prometheus" in section.model_fields_set else None

    @contextmanager
    def series_sources(
        self, prometheus: str | None, *, scrape: float = 15.0
    ) -> Iterator[Callable[[str], SeriesSource | None]]:
        """Who answers a board's queries outside of Grafana: that Prometheus, and samples for everything else."""
        from monitor.adapters.prometheus.api import PrometheusApi
        from monitor.adapters.prometheus.sample_series import SampleSeries

        sample = SampleSeries(sorted(self.config.services), self.site.host.name)
        real = PrometheusApi(prometheus, scrape=scrape) if prometheus else None
        try:
            yield lambda source: real if real is not None and source == "prometheus" else sample
        finally:
            if real is not None:
                real.close()

    def generated_boards(self) -> dict[str, str]:
        """Grafana's JSON of every board, by the name of its file."""
        from monitor.render.boards import FOLDER as BOARDS

        files = self.rendered().files
        return {Path(path).stem: text for path, text in files.items() if path.startswith(f"{BOARDS}/")}

    @property
    def grafana_token(self) -> str | None:
        token = self.config.generate.grafana.token
        return token.get_secret_value() if token else None

    def grafana(self, url: str | None, token: str) -> GrafanaApi:
        from monitor.adapters.grafana.client import GrafanaApi

        return GrafanaApi(url or self.config.generate.grafana.url, token)

    @cached_property
    def annotations(self) -> Annotations:
        """Who is told of deploys: Loki when logs come from it, Grafana when there is a token for it."""
        from monitor.adapters.grafana.annotations import HttpAnnotations
        from monitor.bootstrap_logs import loki_options

        logs, grafana = self.config.logs, self.config.generate.grafana
        return HttpAnnotations(
            self.project,
            self.host,
            loki=loki_options(logs) if logs.source == "loki" else None,
            grafana=(grafana.url, grafana.token.get_secret_value()) if grafana.token else None,
        )

    def generate_environment(self) -> dict[str, str]:
        """The secrets behind the variables that generated files refer to."""
        from monitor.config.contacts import environment

        return environment(self.config.notify, self.channel_texts)

    def output_folder(self, root: Path) -> DiskFolder:
        from monitor.adapters.host.outfolder import DiskFolder

        return DiskFolder(root)

    @cached_property
    def log_rules(self) -> dict[str, LogRule]:
        """How the log of each service is read."""
        from monitor.bootstrap_logs import rules

        return rules(self)

    @cached_property
    def log_source(self) -> LogSource:
        """For commands, which look at a window of the log once."""
        from monitor.bootstrap_logs import make_source

        return make_source(self, follow=False)

    def log_poller(self) -> LogPoller:
        """For the daemon, which counts all lines; close it at the end."""
        from monitor.bootstrap_logs import make_poller

        return make_poller(self)

    @cached_property
    def request_stats(self) -> RequestStats:
        from monitor.services.logmetrics.stats import LogRequestStats

        return LogRequestStats(lambda: self.log_source, self.log_rules)

    def deps(self, emit: Emit, *, cancelled: Callable[[], bool] = lambda: False, chat: bool = True) -> DeployDeps:
        """Everything that deploys are made of; `emit` is told what happens, and with `chat` people are."""
        from monitor.bootstrap_deploy import make_parts

        return make_parts(self, emit, cancelled=cancelled, chat=chat)


class _Live:
    """Stands for an object that may be made anew meanwhile."""

    def __init__(self, current: Callable[[], object]) -> None:
        self._current = current

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current(), name)


def build(config_file: str | None, *, verbose: int = 0) -> App:
    """The application for the configuration found. Raises UsageError without one, ConfigError for a wrong one."""
    path = find_file(config_file).resolve()
    return App(load_file(path), path, verbose=verbose)


def adopt(project: str, config: str, hooks: dict[str, bytes] | None) -> Path:
    """Keep what another host sent under the state folder; where bgmon.yml is now.

    Args:
        project: whose.
        config: the text of bgmon.yml.
        hooks: the hooks by name. None for a command that changes nothing here: then the file is for this command alone,
            and to be removed by the caller.

    Raises:
        UsageError: a name is not one that bgmon could have sent.
    """
    if name_problem(project) or any("/" in name or name.startswith(".") for name in hooks or ()):
        raise UsageError("this is no job of bgmon")
    folder = default_root() / "projects" / project
    kept = folder / ".bgmon" / "hooks"
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    if hooks is None:
        own = folder / f"bgmon.{os.getpid()}.yml"
        own.write_text(config, encoding="utf-8")
        return own
    for old in kept.iterdir():
        if old.name not in hooks:
            old.unlink()
    for name, data in hooks.items():
        _put(kept / name, data, mode=0o700)
    return _put(folder / "bgmon.yml", config.encode(), mode=0o600)


def _put(path: Path, data: bytes, *, mode: int) -> Path:
    """Written beside and renamed: a hook that runs just now keeps the file it was started from."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.chmod(mode)
    return fresh.replace(path)


def state_root(config: Config, folder: Path) -> Path:
    """BGMON_STATE_DIR, else state.dir (relative to bgmon.yml), else /var/lib/bgmon for root, else the user's own."""
    given = os.environ.get("BGMON_STATE_DIR") or config.state.dir
    if given:
        path = (folder / given).expanduser()
        if re.search(r"[\x00-\x1f'\"\\\s]", str(path)):
            raise UsageError(f"state folder {str(path)!r}: spaces and quotes are not possible in it")
        return path
    return default_root()


def default_root() -> Path:
    """BGMON_STATE_DIR, else /var/lib/bgmon for root, else the user's own."""
    if os.environ.get("BGMON_STATE_DIR"):
        return Path(os.environ["BGMON_STATE_DIR"]).expanduser()
    if os.geteuid() == 0:
        return Path("/var/lib/bgmon")
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "bgmon"
