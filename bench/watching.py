"""The whole daemon over services that answer on loopback, their containers in memory; prints what it cost as JSON.

python -m bench.watching INTERVAL SECONDS, with their ports as a JSON list on standard input; an empty one shows what
the daemon costs by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from monitor.adapters.docker.own import RecordedContainers
from monitor.adapters.host.clock import SystemClock
from monitor.adapters.host.locks import FileLocks
from monitor.adapters.host.scheduler import ApScheduler
from monitor.adapters.host.secrets import FileSecrets
from monitor.adapters.host.systemd import Systemd
from monitor.adapters.http.prober import HttpProber
from monitor.adapters.state.containers import SqliteContainers
from monitor.adapters.state.db import Database
from monitor.adapters.state.deploys import SqliteDeployStore
from monitor.adapters.state.totals import SqliteTotals
from monitor.adapters.state.watch import SqliteWatchStore
from monitor.config.compile import service_spec
from monitor.config.service import ServiceSection
from monitor.domain.containers import ContainerSpec
from monitor.domain.deploy.records import DeployRecord, Release
from monitor.services.watchdog.daemon import Daemon
from monitor.services.watchdog.daemon_deps import DaemonDeps
from monitor.services.watchdog.deps import WatchDeps, WatchSettings
from monitor.testing.alerts import FakeAlerts
from monitor.testing.engine import FakeEngine

IMAGE = "example/core:v1"
SETTLE = 12.0


class NoDeployer:
    def recreate(self, service: str) -> None:
        raise NotImplementedError

    def rollback(self, service: str, reason: str, bad: str) -> str:
        raise NotImplementedError

    def recover(self) -> list[str]:
        return []

    def reroute(self) -> list[str]:
        return []


def record(engine: FakeEngine, store: SqliteDeployStore, ports: list[int], interval: float) -> None:
    now = time.time()
    health = {"path": "/health", "interval": f"{interval:g}s", "timeout": "2s"}
    for number, port in enumerate(ports):
        name = f"service{number}"
        spec = service_spec(name, ServiceSection.model_validate({"image": IMAGE, "port": 3000, "health": health}))
        labels = {"bgmon.project": "bench", "bgmon.service": name, "bgmon.deploy": name}
        container = engine.create(ContainerSpec(f"bench-{name}", IMAGE, labels))
        engine.start(container.id)
        store.begin(DeployRecord(name, name, "deploy", IMAGE, "v1", "bench", now))
        release = Release(name, name, "blue", "v1", IMAGE, IMAGE, "v1", port, container.id, spec, now)
        store.finish(name, "deployed", at=now, release=release)


async def measure(daemon: Daemon, seconds: float) -> dict[str, float]:
    running = asyncio.create_task(daemon.run(signals=False))
    await asyncio.sleep(SETTLE)
    assert daemon.probing is not None
    probing = daemon.probing
    made, late, cpu, began = probing.made, probing.late, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    figures = {
        "cpu_percent": round(100 * (time.process_time() - cpu) / took, 2),
        "rss_mb": round(_rss() / 1e6, 1),
        "probes_per_second": round((probing.made - made) / took, 1),
        "late": probing.late - late,
        "healthy": sum(watch.state == "healthy" for watch in daemon.reconciler.watches.values()),
    }
    daemon.stop()
    await running
    return figures


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run() -> None:
    interval, seconds = float(sys.argv[1]), float(sys.argv[2])
    ports = json.load(sys.stdin)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = FakeEngine(time.time)
        engine.build(IMAGE)
        database = Database(folder / "state.db")
        store = SqliteDeployStore(database)
        record(engine, store, ports, interval)
        alerts = FakeAlerts()
        watch = WatchDeps(
            project="bench",
            engine=engine,
            own=RecordedContainers(lambda: engine, SqliteContainers(database), "bench", folder / "proxy"),
            store=store,
            memory=SqliteWatchStore(database),
            locks=FileLocks(folder / "locks"),
            secrets=FileSecrets(folder / "in", folder / "secrets", {}),
            deployer=NoDeployer(),
            alerts=alerts,
            totals=SqliteTotals(database),
            clock=SystemClock(),
        )

        async def fine() -> str:
            return ""

        settings = WatchSettings()
        deps = DaemonDeps(
            watch=watch,
            settings=settings,
            events=engine,
            make_prober=lambda: HttpProber(lambda _: {}),
            selfcheck=fine,
            alerting=alerts,
            scheduler=ApScheduler(),
            manager=Systemd(),
            reload=lambda: settings,
            stamp=lambda: None,
        )
        print(json.dumps(asyncio.run(measure(Daemon(deps), seconds))))
        database.close()


if __name__ == "__main__":
    run()
