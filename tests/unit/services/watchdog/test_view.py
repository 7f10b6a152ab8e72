"""The picture of this host: what the page, the API and `bgmon top` are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.domain.alerting.conditions import Condition
from monitor.domain.deploy.records import DeployRecord, ServiceFlags
from monitor.domain.health.status import DeployView, HealthBucket, ServiceView
from monitor.domain.names import METRIC_RESTARTS
from monitor.services.watchdog.view import DAY, StatusView
from tests.support.simulated import IMAGE, OLD, Host

FIRING = (Condition("unhealthy", "core", "page", "core is not healthy: status 503"),)


def view(host: Host) -> StatusView:
    return StatusView(
        "sim",
        "vps1",
        host.store,
        host.memory,
        watches=lambda: host.reconciler.watches,
        totals=host.totals,
        probes={"core": (True, 0.02)}.get,
        budgets={"core": 3}.get,
        up=lambda: (True, False),
        firing=lambda: FIRING,
    )


def test_it_shows_all_that_is_known_of_a_service(host: Host) -> None:
    deployed = host.clock.now() - OLD
    host.make("core", at=deployed)
    host.look_at_all()
    host.run(5)
    now = host.clock.now()
    kept, forgotten = HealthBucket(now - 900, 900, 1, 0.02), HealthBucket(now - DAY - 1, 900, 0, 0.01)
    host.memory.add_buckets({"core": [forgotten, kept]})
    for reason in ("start", "start", "docker"):
        host.totals.add(METRIC_RESTARTS, ("core", reason))
    host.totals.add(METRIC_RESTARTS, ("other", "start"))
    host.store.set_flags("core", ServiceFlags(maintenance=True))
    shown = view(host).snapshot(now)
    assert (shown.project, shown.host, shown.at) == ("sim", "vps1", now)
    assert (shown.engine_up, shown.proxy_up) == (True, False)
    assert shown.firing == FIRING
    (service,) = shown.services
    watch = host.reconciler.watches["core"]
    assert replace(service, history=()) == ServiceView(
        name="core",
        state="healthy",
        since=watch.since,
        color="blue",
        version="v1",
        image=IMAGE,
        port=20000,
        restarts=3,
        reason=watch.reason,
        probe_ok=True,
        probe_seconds=0.02,
        maintenance=True,
        budget=3,
    )
    (bucket,) = service.history
    assert (bucket.at, bucket.failures) == (kept.at, 1)
    assert bucket.latency == pytest.approx(0.02)


def test_of_a_service_that_nobody_has_looked_at_yet_it_shows_the_release_alone(host: Host) -> None:
    host.make("new")
    (service,) = view(host).snapshot(host.clock.now()).services
    assert (service.state, service.since, service.reason) == ("unknown", None, "")
    assert (service.restarts, service.history, service.probe_ok, service.probe_seconds) == (0, (), None, None)
    assert (service.budget, service.maintenance) == (None, False)


def test_a_service_without_a_release_is_no_part_of_it_but_its_deploy_is(host: Host) -> None:
    at = host.clock.now()
    host.store.begin(DeployRecord("core-1", "core", "deploy", IMAGE, "v1", "ann", at))
    shown = view(host).snapshot(at)
    assert shown.services == ()
    assert shown.deploys == (DeployView("core", "v1", "deploy", "under way", "ann", at, None),)
    host.store.finish("core-1", "failed", at=at + 3)
    assert view(host).snapshot(at).deploys == (DeployView("core", "v1", "deploy", "failed", "ann", at, at + 3),)


def test_it_shows_the_latest_twenty_incidents_and_all_that_are_asked_for(host: Host) -> None:
    for number in range(25):
        name = "core" if number % 5 == 0 else "other"
        host.memory.open_incident(name, "exited", f"exit code {number}", float(number))
        host.memory.close_incident(name, float(number) + 0.5, "healthy again")
    shown = view(host)
    assert [incident.cause for incident in shown.snapshot(100.0).incidents] == [
        f"exit code {number}" for number in range(24, 4, -1)
    ]
    assert [incident.started_at for incident in shown.incidents(service="core", limit=2)] == [20.0, 15.0]
    assert len(shown.incidents()) == 25
