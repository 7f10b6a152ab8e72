"""A daemon as a process of its own, to be killed: python -m tests.support.watch_process FOLDER PROJECT URL."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from monitor.adapters.host.clock import SystemClock
from monitor.adapters.state.alerts import SqliteAlertStore
from monitor.domain.alerting.open_alerts import AlertPolicy
from monitor.services.alerting.manager import AlertManager
from monitor.services.watchdog.daemon import Daemon
from tests.support.watched import Watched


def main() -> None:
    folder, project, url = sys.argv[1:]
    watched = Watched(Path(folder), project, url)
    alerts = AlertManager(SqliteAlertStore(watched.database), [], AlertPolicy(group=0.0, repeat=3600.0, needs={}))
    deps = watched.deps(on_ready=lambda: print("ready", flush=True))  # noqa: T201 - the parent waits for it
    deps = replace(deps, watch=replace(deps.watch, alerts=alerts, clock=SystemClock()))
    asyncio.run(Daemon(deps).run())
    watched.close()


if __name__ == "__main__":
    main()
