"""The proxy: booted again when it died, and led back to the record when its routes differ."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from monitor.domain.alerting.conditions import Condition
from monitor.domain.proxy.routes import ServiceRoute
from monitor.errors import BgmonError, ProxyUnreachable
from monitor.ports.alerts import Alerts
from monitor.ports.clock import Clock
from monitor.ports.deployer import Deployer
from monitor.ports.deploys import Locks
from monitor.ports.proxy import Proxy
from monitor.services.deploy.traffic import PROXY_LOCK

log = logging.getLogger(__name__)


class ProxyWatch:
    """Blocking; called every few seconds from one thread at a time.

    Args:
        proxy: the proxy.
        routes: what it is to serve.
        deployer: makes its live state match the record.
        needed: whether any deployed service has its traffic carried by it.
        stopped: whether a person stopped it, so that it is left alone.
        locks: the proxy's own, held by whoever boots, writes or removes it.
        alerts: whom to tell.
        clock: the time.
    """

    def __init__(
        self,
        proxy: Proxy,
        routes: Callable[[], Sequence[ServiceRoute]],
        deployer: Deployer,
        *,
        needed: Callable[[], bool],
        stopped: Callable[[], bool],
        locks: Locks,
        alerts: Alerts,
        clock: Clock,
    ) -> None:
        self._proxy = proxy
        self._routes = routes
        self._deployer = deployer
        self._needed = needed
        self._stopped = stopped
        self._locks = locks
        self._alerts = alerts
        self._clock = clock
        self._down = True  # an earlier daemon may have left its alert open
        self.up = True
        self.lost_lines: int | None = None  # of the access log, as the proxy counts them; None: it was not asked yet

    def check(self) -> None:
        if not self._needed():
            self.up = True
            return
        if self._locks.held(PROXY_LOCK):
            return  # somebody is at work on it
        why = self._why_down()
        self.up = not why
        if why:
            self._boot(why)
        elif self._down:
            self._down = False
            self._alerts.resolve("proxy-down", "", self._clock.now(), "the proxy answers again")
        if self.up:
            self._reroute()

    def _why_down(self) -> str:
        """Empty while it runs; what it says of its log is kept."""
        try:
            status = self._proxy.status()
        except ProxyUnreachable as error:
            return str(error)
        if not status.running:
            return status.detail or "it does not run"
        self.lost_lines = status.lost_lines
        return ""

    def _boot(self, why: str) -> None:
        stopped = self._stopped()
        detail = f"{why}; a person stopped it, so it is left alone" if stopped else why
        self._down = True
        self._alerts.fire(Condition("proxy-down", "", "page", "the proxy is down", detail), self._clock.now())
        if stopped:
            return
        try:
            with self._locks.acquire(PROXY_LOCK, wait=0, purpose="starting the proxy again"):
                if self._why_down():
                    self._proxy.boot(self._routes())
        except BgmonError as error:
            log.warning("the proxy could not be started: %s", error)
            return
        log.info("the proxy was down (%s), and was started again", why)
        self.up = not self._why_down()
        if self.up:
            self._down = False
            self._alerts.resolve("proxy-down", "", self._clock.now(), "started again by bgmon")

    def _reroute(self) -> None:
        try:
            for line in self._deployer.reroute():
                log.warning("routes did not match the record: %s", line)
        except BgmonError as error:
            log.warning("routes could not be compared with the record: %s", error)
