"""A status source in memory, and a sample picture for tests, screenshots and the demo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from monitor.domain.alerting.conditions import Condition
from monitor.domain.alerting.peers import PeerView
from monitor.domain.health.status import DeployView, HealthBucket, IncidentView, ServiceView, StatusSnapshot

BUCKET = 300.0


@dataclass(slots=True)
class FakeStatus:
    """Fulfils ports.status.StatusSource; `current` may be replaced at any time."""

    current: StatusSnapshot = field(
        default_factory=lambda: StatusSnapshot("shop", "vps1", 0.0, engine_up=True, proxy_up=True)
    )

    def snapshot(self, now: float) -> StatusSnapshot:
        return replace(self.current, at=now)

    def incidents(self, *, service: str | None = None, limit: int = 50) -> list[IncidentView]:
        found = [incident for incident in self.current.incidents if service in (None, incident.service)]
        return found[:limit]


@dataclass(slots=True)
class FakePeers:
    """Fulfils ports.web.PeersSource."""

    peers: tuple[PeerView, ...] = ()

    def views(self) -> tuple[PeerView, ...]:
        return self.peers


def history(
    now: float, *, base: float, hours: float = 24.0, bad: Sequence[tuple[float, float]] = ()
) -> tuple[HealthBucket, ...]:
    """Buckets of five minutes with a day's rhythm; `bad` are (hours ago, minutes) during which probes failed."""
    buckets = []
    for step in range(int(hours * 3600 / BUCKET), 0, -1):
        at = now - step * BUCKET
        failing = any(ago * 3600 - minutes * 60 <= now - at <= ago * 3600 for ago, minutes in bad)
        wave = 1 + 0.35 * math.sin(at / 9000) + 0.18 * math.sin(at / 1300) + 0.1 * math.sin(at / 311)
        buckets.append(HealthBucket(at, 60, 55 if failing else 0, base * wave * (4 if failing else 1)))
    return tuple(buckets)


def sample(now: float) -> StatusSnapshot:
    """A project on a day when something happened."""

    def service(name: str, state: str, color: str, version: str, **more: object) -> ServiceView:
        view = ServiceView(
            name=name,
            state=state,
            since=now - 5 * 86400,
            color=color,
            version=version,
            image=f"reg.example.com/shop/{name}:{version}",
            port=20000,
            restarts=0,
        )
        return replace(view, **more)  # type: ignore[arg-type]

    log = (
        'Traceback (most recent call last):\n  File "/app/worker.py", line 41, in <module>\n    main()\n'
        "KeyError: 'QUEUE_URL'"
    )
    services = (
        service(
            "core",
            "healthy",
            "green",
            "2.14.0",
            since=now - 2 * 3600,
            history=history(now, base=0.012, bad=((9.2, 12),)),
            restarts=1,
        ),
        service("web", "healthy", "blue", "5.3.1", history=history(now, base=0.034), probe_seconds=0.031),
        service(
            "checkout",
            "degraded",
            "green",
            "1.9.2",
            since=now - 1500,
            reason="6.4 % of requests answered 5xx in the last minute (limit 5 %)",
            history=history(now, base=0.088, bad=((0.4, 20), (17, 15))),
            probe_seconds=0.412,
        ),
        service("search", "healthy", "blue", "0.48.0", history=history(now, base=0.055)),
        service(
            "mailer",
            "crash-looping",
            "blue",
            "3.0.0",
            since=now - 420,
            reason="exit code 1, 5 times in 7 min: KeyError: 'QUEUE_URL'",
            history=history(now, base=0.006, bad=((0.12, 7),)),
            restarts=5,
        ),
        service(
            "images",
            "deploying",
            "green",
            "7.2.0",
            since=now - 14,
            reason="7.2.1 is being deployed",
            history=history(now, base=0.121),
        ),
        service(
            "billing", "healthy", "green", "4.4.4", history=history(now, base=0.021, hours=9.5), since=now - 9.5 * 3600
        ),
        service("legacy", "stopped", "blue", "1.0.7", since=now - 3 * 86400, history=()),
        service("auth", "healthy", "blue", "2.2.0", history=history(now, base=0.009, bad=((21.3, 4),)), restarts=1),
    )
    incidents = (
        IncidentView(
            31,
            "mailer",
            "crash-loop",
            now - 420,
            None,
            "crash loop: exit code 1, 5 times in 7 min",
            log,
            ("container started again by Docker, 4 times", "restart held back for 80 s", "alert sent"),
        ),
        IncidentView(
            30, "checkout", "degraded", now - 1500, None, "6.4 % of requests answered 5xx (limit 5 %)", "", ()
        ),
        IncidentView(
            29,
            "core",
            "oom",
            now - 9.2 * 3600,
            now - 9.2 * 3600 + 4,
            "out of memory: killed by the kernel at 512 MiB",
            "",
            ("restarted", "healthy again after 4 s"),
        ),
        IncidentView(
            28,
            "auth",
            "unhealthy",
            now - 21.3 * 3600,
            now - 21.3 * 3600 + 31,
            "hung: 3 probes without an answer within 2 s",
            "GET /health: no answer within 2 s",
            ("log tail and process list saved", "restarted", "healthy again after 31 s"),
        ),
    )
    deploys = (
        DeployView("images", "7.2.1", "deploy", "", "ci", now - 14, None),
        DeployView("core", "2.14.0", "deploy", "deployed", "ci", now - 7230, now - 7200),
        DeployView("checkout", "1.9.3", "deploy", "switched-back", "ci", now - 5 * 3600, now - 5 * 3600 + 44),
        DeployView("billing", "4.4.4", "deploy", "deployed", "kim", now - 9.5 * 3600, now - 9.5 * 3600 + 37),
        DeployView("web", "5.3.1", "rollback", "deployed", "kim", now - 5 * 86400, now - 5 * 86400 + 12),
    )
    firing = (
        Condition("crash-loop", "mailer", "page", "crash loop: exit code 1, 5 times in 7 min", log, 31),
        Condition("degraded", "checkout", "ticket", "6.4 % of requests answered 5xx (limit 5 %)", "", 30),
    )
    return StatusSnapshot(
        "shop",
        "vps1",
        now,
        engine_up=True,
        proxy_up=True,
        services=services,
        incidents=incidents,
        deploys=deploys,
        firing=firing,
    )


def sample_peers(now: float) -> tuple[PeerView, ...]:
    return (PeerView("vps2", up=True, since=now - 86400), PeerView("vps3", up=True, since=now - 86400))
