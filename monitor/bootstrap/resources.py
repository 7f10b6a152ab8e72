"""What a project has on this host, whatever bgmon.yml says: the engine, the state file, locks, secrets.

Each is made when it is first asked for: libraries cost tens of milliseconds to import, and most commands need few.
"""

from __future__ import annotations

import logging
import os
import socket
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.adapters.certificates.store import FileCertificates
    from monitor.adapters.docker.engine import DockerEngine
    from monitor.adapters.host.locks import FileLocks
    from monitor.adapters.host.secrets import FileSecrets
    from monitor.adapters.state.alerts import SqliteAlertStore
    from monitor.adapters.state.db import Database
    from monitor.adapters.state.deploys import SqliteDeployStore
    from monitor.adapters.state.tasks import SqliteTasks
    from monitor.adapters.state.totals import SqliteTotals
    from monitor.adapters.state.watch import SqliteWatchStore
    from monitor.ports.backups import Backups
    from monitor.ports.own import OwnContainers

log = logging.getLogger(__name__)


class Resources:
    """One project on this host.

    Args:
        project: its name.
        config_file: where bgmon.yml is.
        state_dir: where the project's state, locks and proxy files are on this host.
    """

    def __init__(self, project: str, config_file: Path, state_dir: Path) -> None:
        self.project = project
        self.config_file = config_file
        self.state_dir = state_dir
        self._check_database = False

    @property
    def folder(self) -> Path:
        """The project's folder: where bgmon.yml is, and .bgmon beside it."""
        return self.config_file.parent

    @property
    def host(self) -> str:
        """What this machine is called in messages and on the status page."""
        return os.environ.get("BGMON_HOST") or socket.gethostname()

    def check_database(self) -> None:
        """Have the state file read through when it is opened: for a daemon, which opens it once."""
        self._check_database = True

    @cached_property
    def database(self) -> Database:
        """The state file. Raises StateError when it cannot be used."""
        from monitor.adapters.state.db import Database

        database = Database(self.state_dir / "state.db", check=self._check_database)
        if database.set_aside is not None:
            log.warning(
                "the state file was corrupt and is kept as %s; bgmon begins with an empty one", database.set_aside
            )
        return database

    @cached_property
    def engine(self) -> DockerEngine:
        """The Docker engine; nothing is asked of it yet."""
        from monitor.adapters.docker.engine import DockerEngine

        return DockerEngine()

    @cached_property
    def backups(self) -> Backups:
        """Where backups of accessories are put."""
        from monitor.adapters.host.backups import BackupFolders

        return BackupFolders(self.state_dir / "backups")

    @cached_property
    def store(self) -> SqliteDeployStore:
        """Deploys, releases, slots and flags."""
        from monitor.adapters.state.deploys import SqliteDeployStore

        return SqliteDeployStore(self.database)

    @cached_property
    def tasks(self) -> SqliteTasks:
        """Runs of release commands, jobs and what was run by hand."""
        from monitor.adapters.state.tasks import SqliteTasks

        return SqliteTasks(self.database)

    @cached_property
    def own(self) -> OwnContainers:
        """Which containers are ours: every command asks it."""
        from monitor.adapters.docker.own import RecordedContainers
        from monitor.adapters.state.containers import SqliteContainers

        return RecordedContainers(
            lambda: self.engine, SqliteContainers(self.database), self.project, self.state_dir / "proxy"
        )

    @cached_property
    def certificates(self) -> FileCertificates:
        """Certificates got by ACME, and the accounts for it."""
        from monitor.adapters.certificates.store import FileCertificates

        return FileCertificates(self.state_dir / "certificates", self.folder)

    @cached_property
    def locks(self) -> FileLocks:
        """One lock for each service."""
        from monitor.adapters.host.locks import FileLocks

        return FileLocks(self.state_dir / "locks")

    @cached_property
    def secrets(self) -> FileSecrets:
        """Secret values, and those that each release was deployed with."""
        from monitor.adapters.host.secrets import FileSecrets

        return FileSecrets(self.folder / ".bgmon" / "secrets", self.state_dir / "secrets", os.environ)

    @cached_property
    def alert_store(self) -> SqliteAlertStore:
        """Open alerts, silences, the outbox."""
        from monitor.adapters.state.alerts import SqliteAlertStore

        return SqliteAlertStore(self.database)

    @cached_property
    def watch_store(self) -> SqliteWatchStore:
        """What the watchdog remembers: watches, incidents, probe history."""
        from monitor.adapters.state.watch import SqliteWatchStore

        return SqliteWatchStore(self.database)

    @cached_property
    def totals(self) -> SqliteTotals:
        """Counters that outlive the daemon."""
        from monitor.adapters.state.totals import SqliteTotals

        return SqliteTotals(self.database)

    def close(self) -> None:
        """Let go of the engine and the state file, where they were used."""
        used = vars(self)  # where cached_property keeps what was asked for
        for name in ("engine", "database"):
            if name in used:
                used[name].close()
