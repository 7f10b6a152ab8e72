"""The only place that picks adapters: from bgmon.yml to the objects that commands and the daemon work with."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.config.loader import find_file, load_file
from monitor.errors import UsageError

if TYPE_CHECKING:  # imported when first used: each costs tens of milliseconds
    from monitor.adapters.state.db import Database
    from monitor.config.schema import Config
    from monitor.domain.spec import ServiceSpec


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
        from monitor.adapters.state.db import Database  # noqa: PLC0415

        return Database(self.state_dir / "state.db")

    @cached_property
    def specs(self) -> dict[str, ServiceSpec]:
        """The policy of every service in bgmon.yml."""
        from monitor.config.compile import service_specs  # noqa: PLC0415

        return service_specs(self.config)


def build(config_file: str | None, *, verbose: int = 0) -> App:
    """The application for the configuration found. Raises UsageError without one, ConfigError for a wrong one."""
    path = find_file(config_file).resolve()
    return App(load_file(path), path, verbose=verbose)


def state_root(config: Config, folder: Path) -> Path:
    """BGMON_STATE_DIR, else state.dir (relative to bgmon.yml), else /var/lib/bgmon for root, else the user's own."""
    given = os.environ.get("BGMON_STATE_DIR") or config.state.dir
    if given:
        path = (folder / given).expanduser()
        if re.search(r"[\x00-\x1f'\"\\\s]", str(path)):
            raise UsageError(f"state folder {str(path)!r}: spaces and quotes are not possible in it")
        return path
    if os.geteuid() == 0:
        return Path("/var/lib/bgmon")
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "bgmon"
