"""What a deploy does beside its main thread, and by when each of these works must have ended.

The engine takes its time to join a network, the proxy to check a file. Neither has to hold up the candidate's traffic:
what a restart of the proxy or the host depends on ends before the active container is stopped, the rest before the
deploy ends.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from monitor.domain.names import Color
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.preflight import ready_proxy
from monitor.services.deploy.traffic import TrafficControl

Work = Callable[[], object]


class Background:
    """Two threads for one deploy. Leaving the block, or `close`, waits for all that was begun."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="bgmon-deploy")
        self._before_stop: list[Future[object]] = []
        self._before_end: list[Future[object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._threads.shutdown()

    def begin(self, work: Work) -> Future[object]:
        return self._threads.submit(work)

    def before_stop(self, work: Work) -> None:
        """Begin what must have ended before the active container is stopped."""
        self._before_stop.append(self.begin(work))

    def before_end(self, work: Work) -> None:
        """Begin what must have ended before the release is on record."""
        self._before_end.append(self.begin(work))

    def settle_before_stop(self) -> None:
        """Wait. Raises what went wrong there, and what is known to have gone wrong in the rest."""
        _settle(self._before_stop + [work for work in self._before_end if work.done()])

    def settle_before_end(self) -> None:
        """Wait. Raises what went wrong there."""
        _settle(self._before_end)


class ProxyPreparation:
    """The proxy is looked after while the engine pulls and starts: neither needs the other yet."""

    def __init__(self, deps: DeployDeps, traffic: TrafficControl, background: Background) -> None:
        self._deps = deps
        self._traffic = traffic
        self._background = background
        self._ready: Future[object] | None = None
        self._validated: Future[object] | None = None

    def begin(self) -> None:
        """Have the proxy run, with this project's services in it."""
        self._ready = self._background.begin(lambda: ready_proxy(self._deps))

    def await_ready(self) -> None:
        """Raises ProxyUnreachable, ProxyError when it does not run."""
        if self._ready is not None:
            self._ready.result()

    def validate(self, color: Color) -> None:
        """Begin to have the configuration checked that is written once `color` has the traffic."""
        self._validated = self._background.begin(lambda: self._validate(color))

    def _validate(self, color: Color) -> None:
        if self._ready is not None:
            self._ready.result()
            self._traffic.validate_config(color)

    def await_validated(self) -> bool:
        """Whether that took a while. Raises ProxyError when the proxy would refuse the configuration."""
        if self._validated is None:
            return False
        waited = not self._validated.done()
        self._validated.result()
        return waited


def _settle(works: list[Future[object]]) -> None:
    for work in works:
        work.result()
