"""Commands that another host sends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monitor.adapters.host import received
from monitor.adapters.host.jobs import Jobs
from monitor.bootstrap.paths import default_root


def adopt(project: str, config: str, hooks: Mapping[str, bytes] | None, host: str) -> Path:
    """Keep what another host sent under this host's state folder, see `received.adopt`. Raises UsageError."""
    return received.adopt(default_root(), project, config, hooks, host)


def lasting_jobs() -> Jobs:
    """Those that go on when their caller is cut off."""
    return Jobs(default_root() / "jobs")
