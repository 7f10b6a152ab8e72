"""A proxy that died is started again; one that somebody stopped, or works on, is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor.adapters.host.locks import FileLocks
from monitor.adapters.prometheus.proxylog import ProxyLogCollector
from monitor.domain.names import METRIC_PROXY_LOG_LOST
from monitor.domain.proxy.routes import ServiceRoute
from monitor.errors import ProxyError
from monitor.services.deploy.traffic import PROXY_LOCK
from monitor.services.watchdog.proxywatch import ProxyWatch
from monitor.testing.alerts import FakeAlerts
from monitor.testing.clock import FakeClock
from monitor.testing.proxy import FakeProxy


class Deployer:
    def __init__(self) -> None:
        self.reroutes = 0
        self.error: ProxyError | None = None

    def recreate(self, service: str) -> None: ...

    def rollback(self, service: str, reason: str, bad: str) -> str:
        raise NotImplementedError

    def recover(self) -> list[str]:
        return []

    def reroute(self) -> list[str]:
        self.reroutes += 1
        if self.error is not None:
            raise self.error
        return ["core: traffic goes to blue again"]


class Stubborn(FakeProxy):
    """Refuses to start as often as `refusals` says."""

    refusals = 0

    def boot(self, routes: Sequence[ServiceRoute]) -> bool:
        if self.refusals:
            self.refusals -= 1
            raise ProxyError("port 80 is taken")
        return super().boot(routes)


class Scene:
    def __init__(self, folder: Path) -> None:
        self.proxy, self.deployer, self.alerts = Stubborn(), Deployer(), FakeAlerts()
        self.locks = FileLocks(folder)
        self.needed, self.stopped = True, False
        self.watch = ProxyWatch(
            self.proxy,
            list,
            self.deployer,
            needed=lambda: self.needed,
            stopped=lambda: self.stopped,
            locks=self.locks,
            alerts=self.alerts,
            clock=FakeClock(),
        )
        self.proxy.boot([])


def test_a_dead_proxy_is_started_and_told_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.watch.check()
    assert scene.alerts.said == []
    scene.proxy.crash()
    scene.watch.check()
    assert scene.proxy.status().running
    assert scene.watch.up
    assert [said.what for said in scene.alerts.said] == ["fired", "resolved"]


def test_a_proxy_that_does_not_start_stays_an_open_alert_until_it_does(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.proxy.crash()
    scene.proxy.refusals = 2
    scene.watch.check()
    scene.watch.check()
    seen = [scene.watch.up]
    assert scene.alerts.kinds("fired") == ["proxy-down"]
    assert scene.alerts.kinds("resolved") == []
    scene.watch.check()
    assert [*seen, scene.watch.up] == [False, True]
    assert scene.alerts.kinds("resolved") == ["proxy-down"]


def test_what_a_person_stopped_is_said_and_left_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.proxy.remove()
    scene.stopped = True
    scene.watch.check()
    assert not scene.proxy.status().running
    assert "left alone" in scene.alerts.open["proxy-down", ""].detail
    scene.proxy.boot([])
    scene.watch.check()
    assert scene.alerts.open == {}


def test_lines_of_the_access_log_that_were_lost_are_exported_once_the_proxy_was_asked(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    collector = ProxyLogCollector(lambda: scene.watch.lost_lines)
    assert list(collector.collect()) == []
    scene.proxy.lost_lines = 266
    scene.watch.check()
    (family,) = collector.collect()
    assert [(sample.name, sample.value) for sample in family.samples] == [(METRIC_PROXY_LOG_LOST, 266)]


def test_nothing_is_done_while_somebody_holds_its_lock(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.proxy.crash()
    with scene.locks.acquire(PROXY_LOCK, wait=0, purpose="a reload"):
        scene.watch.check()
    assert scene.alerts.said == []
    assert not scene.proxy.status().running


def test_no_proxy_is_started_for_workers_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.proxy.crash()
    scene.needed = False
    scene.watch.check()
    assert not scene.proxy.status().running
    assert scene.deployer.reroutes == 0


def test_routes_are_compared_with_the_record_and_an_error_ends_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.deployer.error = ProxyError("unknown backend")
    scene.watch.check()
    scene.watch.check()
    assert scene.deployer.reroutes == 2
