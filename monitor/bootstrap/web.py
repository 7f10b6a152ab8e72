"""The daemon's HTTP side, the watch over other hosts, and the heartbeat."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from monitor.adapters.host.clock import SystemClock
from monitor.errors import BgmonError
from monitor.ports.status import StatusSource
from monitor.ports.web import WebServer

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from monitor.bootstrap.resources import Resources
    from monitor.config.schema import Config
    from monitor.ports.alerts import Alerts
    from monitor.services.peers import PeerWatch

ScheduledJob = tuple[str, float, Callable[[], None]]


def make_peers(config: Config, alerts: Alerts) -> PeerWatch:
    """What watches the other hosts; without any, it has nothing to do."""
    from monitor.adapters.http.peers import HttpPeers
    from monitor.ports.peers import Peer
    from monitor.services.peers import PeerWatch

    peers = [
        Peer(peer.name, peer.url, peer.token.get_secret_value() if peer.token is not None else None)
        for peer in config.watch.peers
    ]
    return PeerWatch(peers, HttpPeers(), alerts, SystemClock())


def make_jobs(config: Config, peers: PeerWatch, problems: Callable[[], Sequence[str]]) -> list[ScheduledJob]:
    """(name, seconds, work) for the daemon's scheduler. The heart beats only while there are no `problems`."""
    section = config.watch
    jobs: list[ScheduledJob] = []
    if section.peers:
        jobs.append(("peers", section.peer_interval, peers.round))
    if section.heartbeat is not None:
        from monitor.adapters.http.peers import Heartbeat

        heartbeat = Heartbeat(section.heartbeat.get_secret_value())
        jobs.append(("heartbeat", section.heartbeat_interval, lambda: None if problems() else heartbeat.beat()))
    return jobs


def make_server(
    config: Config,
    resources: Resources,
    source: StatusSource,
    peers: PeerWatch,
    problems: Callable[[], Sequence[str]],
    *,
    extra: Sequence[Collector] = (),
) -> WebServer:
    """Metrics, API and status page. `extra` are further collectors, such as that of the request metrics."""
    from monitor.adapters.docker.stats import ContainerCollector
    from monitor.adapters.host.descriptors import for_visitors, raise_limit
    from monitor.adapters.host.machine import HostCollector
    from monitor.adapters.prometheus.exposition import (
        Exposition,
        HistoryCollector,
        PeersCollector,
        StatusCollector,
    )
    from monitor.adapters.web.server import AiohttpServer, WebSettings

    section = config.watch
    host, port = section.address
    tls = section.tls
    settings = WebSettings(
        host,
        port,
        token=section.token.get_secret_value() if section.token is not None else None,
        cert=resources.folder / tls.cert if tls is not None else None,
        key=resources.folder / tls.key if tls is not None and tls.key is not None else None,
        most=for_visitors(raise_limit()),
    )
    exposition = Exposition(
        [
            StatusCollector(source),
            HistoryCollector(resources.totals, resources.store, resources.alert_store),
            ContainerCollector(resources.engine, resources.store),
            PeersCollector(peers),
            HostCollector(_mounts(resources)),
            *extra,
        ]
    )
    return AiohttpServer(settings, source, exposition, peers=peers, ready=lambda: "; ".join(problems()))


def _mounts(resources: Resources) -> tuple[str, ...]:
    """The file systems that can fill up: the root, where Docker's data is, and where the state is; each once."""
    try:
        docker = resources.engine.info().root_dir
    except BgmonError:
        docker = "/var/lib/docker"
    found: dict[int, str] = {}
    for folder in ("/", docker, str(resources.state_dir)):
        with contextlib.suppress(OSError):
            found.setdefault(os.stat(folder).st_dev, folder)  # noqa: PTH116 - the number is wanted, not the path
    return tuple(found.values())
