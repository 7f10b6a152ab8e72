"""The daemon: threads, timers and signals around the reconciler.

One thread reads the engine's events, one (the work queue) does everything the reconciler does, a small pool carries out
acts, and the event loop probes, serves HTTP and keeps time. Nothing on the loop or the work queue waits for an act.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from monitor.domain.alerting.conditions import Condition, ConditionKind
from monitor.domain.containers import EngineEvent
from monitor.domain.health.facts import HealthVerdict
from monitor.domain.health.watch import Watch
from monitor.domain.names import KIND_ACCESS, LABEL_KIND
from monitor.errors import BgmonError
from monitor.ports.watch import AsyncProber
from monitor.ports.web import WebServer
from monitor.services.watchdog.daemon_deps import DaemonDeps
from monitor.services.watchdog.eventpump import EventPump
from monitor.services.watchdog.orphans import OrphanWatch
from monitor.services.watchdog.probing import Probing
from monitor.services.watchdog.reconciler import Reconciler
from monitor.services.watchdog.work_queue import SOON, URGENT, WHENEVER, WorkQueue

log = logging.getLogger(__name__)

_TICK: Final = 0.2
_PROXY_EVERY: Final = 5.0
_FILE_EVERY: Final = 2.0
_ALIVE_EVERY: Final = 5.0
_STUCK_AFTER: Final = 60.0
_ACTS_AT_ONCE: Final = 8
_GRACE: Final = 15.0
# Signals that end HAProxy. Its image stops it by SIGUSR1, and engines tell of the stop before or after the death.
_ENDS_PROXY: Final = frozenset(
    {"2", "9", "10", "15", "INT", "KILL", "USR1", "TERM", "SIGINT", "SIGKILL", "SIGUSR1", "SIGTERM"}
)
_EVENT_EVERY: Final = 2.0
_PRUNE_EVERY: Final = 3600.0
_FLUSH_EVERY: Final = 60.0
_OWN_CONDITIONS: Final[tuple[tuple[ConditionKind, str], ...]] = (
    ("host-offline", ""),
    ("state", ""),
    ("state", "bgmon.yml"),
)


class Daemon:
    """`run` returns after SIGTERM or SIGINT, or after `stop`."""

    def __init__(self, deps: DaemonDeps) -> None:
        self.deps = deps
        self.work_queue = WorkQueue(self._failed)
        self.probing: Probing | None = None
        self.stopping = False
        self._error = (0.0, "")
        self.reconciler = Reconciler(
            deps.watch,
            deps.settings,
            dispatch=self._dispatch,
            settle=lambda job: self.work_queue.put(job, URGENT),
            verdicts=self._verdict,
            on_error=self._failed,
            on_return=self._engine_is_back,
        )
        self.pump = EventPump(
            deps.events,
            deps.watch.project,
            since_ns=deps.watch.memory.last_event(),
            on_event=lambda event: self.work_queue.put(lambda: self._event(event), URGENT),
            on_connect=self._connected,
            on_cut=lambda: self.reconciler.engine.cut(self._now()),
            on_lost=self._lost,
        )
        self._pool = ThreadPoolExecutor(_ACTS_AT_ONCE, thread_name_prefix="bgmon-act")
        self._proxy_stopped = False
        self.proxy = deps.make_proxy(lambda: self._proxy_stopped) if deps.make_proxy is not None else None
        self._queued: set[str] = set()
        self._orphans = OrphanWatch(deps.watch)
        self._settling = False
        self._event_saved = 0.0
        self._work_seen = time.monotonic()
        self._stamp = deps.stamp()  # before anything takes its time: what changes while it starts is seen
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def _now(self) -> float:
        return self.deps.watch.clock.now()

    def _verdict(self, service: str, life: str) -> HealthVerdict | None:
        return self.probing.verdict(service, life) if self.probing is not None else None

    def problems(self) -> list[str]:
        """Why the daemon is not ready, a line each; safe from any thread."""
        found = []
        if self.reconciler.engine.lost_at is not None:
            found.append("the Docker engine does not answer")
        if time.monotonic() - self._work_seen > _STUCK_AFTER:
            found.append("the reconciler makes no progress")
        at, error = self._error
        if error and time.monotonic() - at < _STUCK_AFTER:
            found.append(error)
        if not self.pump.alive and not self.stopping:
            found.append("the event stream is not read")
        return found

    def watches(self) -> dict[str, Watch]:
        """What is thought of each service now."""
        return self.reconciler.watches

    def last_probe(self, service: str) -> tuple[bool, float] | None:
        """Whether the last answer was good, and the seconds it took; None before the first."""
        last = self.probing.last.get(service) if self.probing is not None else None
        return (last.ok, last.seconds) if last is not None else None

    def up(self) -> tuple[bool, bool]:
        """Whether the engine answers, and whether the proxy does."""
        return self.reconciler.engine.lost_at is None, self.proxy is None or self.proxy.up

    def lost_lines(self) -> int | None:
        """Lines of the access log that the proxy left out since it last started; None before it was asked."""
        return self.proxy.lost_lines if self.proxy is not None else None

    # -- from start to end --

    async def run(self, *, signals: bool = True) -> None:
        """Raises UsageError when the address to listen on is taken, StateError without a usable state file."""
        deps = self.deps
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        prober = deps.make_prober()
        self.probing = Probing(
            prober,
            lambda: self.reconciler.observer.targets,
            on_verdict=lambda service: self.look(service, SOON),
            selfcheck=deps.selfcheck,
            on_offline=lambda wrong: self.work_queue.put(lambda: self._offline(wrong), URGENT),
            clock=deps.watch.clock,
            limit=deps.max_probes,
        )
        server = deps.make_server(self)
        if signals:
            self._take_signals(self._loop)
        if server is not None:
            await server.start()
        deps.alerting.start()
        self.work_queue.start()
        self._clear()
        for notice in deps.notices:
            deps.watch.alerts.fire(notice, self._now())
        self._settle_deploys()
        self.pump.start()
        self._add_chores()
        loops = [self.probing.run(), self._keep_time(), self._reconcile(), self._watch_file(), self._show_life()]
        tasks = [asyncio.create_task(loop) for loop in loops]
        deps.manager.ready()
        deps.on_ready()
        log.info("watching %s", deps.watch.project)
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._end([stopped, *tasks], server, prober)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _clear(self) -> None:
        """Close what an earlier daemon left open about itself; what is still so is said again."""
        for kind, service in _OWN_CONDITIONS:
            self.deps.watch.alerts.resolve(kind, service, self._now(), "the daemon was started again")

    async def _end(self, tasks: list[asyncio.Task[object]], server: WebServer | None, prober: AsyncProber) -> None:
        log.info("stopping")
        self.stopping = True
        self.deps.manager.stopping()
        self.deps.scheduler.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.pump.stop, 2.0)
        # What is under way is finished: an act cut off in the middle would leave more to mend than it mended.
        deadline = time.monotonic() + _GRACE
        while (self.reconciler.event_memory.acting or self.work_queue.waiting()) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self.work_queue.put(self._hand_back, URGENT)
        await asyncio.to_thread(self.work_queue.stop, 5.0)
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.deps.alerting.stop)
        if server is not None:
            await server.stop()
        await prober.close()

    def stop(self) -> None:
        """From any thread."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    def _hand_back(self) -> None:
        """While no daemon runs, Docker is to restart what it restarts."""
        self._save_buckets()
        if self.pump.last_ns is not None:
            self.deps.watch.memory.set_last_event(self.pump.last_ns)
        self.reconciler.hand_back()

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._stop is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    # -- what sets the work queue to work --

    def look(self, service: str, urgency: int) -> None:
        """Have the service looked at, once, however often it is asked for until then. From any thread."""
        if urgency == URGENT or service not in self._queued:
            self._queued.add(service)
            self.work_queue.put(lambda: self._look(service), urgency)

    def _look(self, service: str) -> None:
        if service in self._queued and not self.stopping:
            self._queued.discard(service)
            self.reconciler.look(service, self._now())

    def _event(self, event: EngineEvent) -> None:
        if event.labels.get(LABEL_KIND) == KIND_ACCESS and self._is_the_proxy(event.container_id):
            self._proxy_event(event)
        service = self.reconciler.event(event)
        if service is not None:
            self.look(service, URGENT)
        if time.monotonic() - self._event_saved > _EVENT_EVERY:
            self._event_saved = time.monotonic()
            self.deps.watch.memory.set_last_event(event.at_ns)

    def _is_the_proxy(self, container: str) -> bool:
        """Neither a stranger's with its labels, nor the one before it, which is ended when it was replaced."""
        try:
            made = self.deps.watch.own.knows(container)
        except BgmonError as error:
            log.warning("whether %s is the proxy cannot be told: %s", container[:12], error)
            return False
        return made is not None and made.role == "proxy"

    def _proxy_event(self, event: EngineEvent) -> None:
        if event.action == "start":
            self._proxy_stopped = False
        elif event.action == "stop" or (event.action == "kill" and event.signal in _ENDS_PROXY):
            self._proxy_stopped = True
        elif event.action == "die" and self.proxy is not None:
            self._dispatch(self._check_proxy)

    def _engine_is_back(self) -> None:
        self.pump.retry()

    def _connected(self) -> None:
        at = self._now()
        self.work_queue.put(lambda: self._relist(at), SOON)

    def _lost(self, why: str) -> None:
        at = self._now()
        self.reconciler.engine.cut(at)
        self.work_queue.put(lambda: self.reconciler.engine.lost(at, why), URGENT)

    def _relist(self, at: float) -> None:
        """The engine answered at `at`, perhaps again: everything is looked at."""
        self.reconciler.engine_answers(at)
        self.reconciler.engine.opened(at)
        self._look_at_all()

    def _look_at_all(self) -> None:
        for service in dict.fromkeys([*self.reconciler.services(), *self.reconciler.watches]):
            self.look(service, SOON)

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            if not self.work_queue.waiting():
                self.work_queue.put(self._timers, SOON)

    def _timers(self) -> None:
        now = self._now()
        self._work_seen = time.monotonic()
        self.reconciler.engine.patience(now)
        for service in self.reconciler.due(now):
            self.look(service, SOON)

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(self.deps.reconcile)
            self.work_queue.put(self._begin_round, WHENEVER)
            if self.proxy is not None:
                self._settle_deploys()

    def _begin_round(self) -> None:
        self._work_seen = time.monotonic()
        for service in dict.fromkeys([*self.reconciler.services(), *self.reconciler.watches]):
            self.work_queue.put(lambda service=service: self._round(service), WHENEVER)  # type: ignore[misc]
        self.work_queue.put(self._orphans.look, WHENEVER)

    def _round(self, service: str) -> None:
        now = self._now()
        self._work_seen = time.monotonic()
        if self.stopping:
            return
        before = self.reconciler.observer.seen.get(service)
        self.reconciler.look(service, now)
        if self.reconciler.event_memory.missed(before, self.reconciler.observer.seen.get(service), now):
            log.warning("%s changed and the event stream did not say so: it is read anew", service)
            self.pump.recycle()

    def _offline(self, wrong: str) -> None:
        alerts, now = self.deps.watch.alerts, self._now()
        if wrong:
            log.warning("failed probes are put down to this host: %s", wrong)
            summary = "this host cannot reach its own services"
            alerts.fire(Condition("host-offline", "", "page", summary, wrong), now)
        else:
            alerts.resolve("host-offline", "", now, "probes are answered again")

    # -- work for the pool --

    def _dispatch(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except BgmonError as error:
                log.warning("%s", error)
            except Exception:  # a pool keeps what its threads throw to itself
                log.exception("an act of the watchdog failed")

        if not self.stopping:
            self._pool.submit(guarded)

    def _settle_deploys(self) -> None:
        if not self._settling:
            self._settling = True
            self._dispatch(self._recover)

    def _recover(self) -> None:
        watch = self.deps.watch
        try:
            for line in watch.deployer.recover() if watch.store.unfinished() else []:
                log.warning("a deploy that was cut off is settled: %s", line)
                service, _, what = line.partition(": ")
                condition = Condition("deploy-failed", service, "ticket", f"{service}: a deploy was cut off", what)
                watch.alerts.tell(condition, self._now())
                self.look(service, SOON)
        finally:
            self._settling = False

    def _check_proxy(self) -> None:
        if self.proxy is not None and self.reconciler.engine.lost_at is None:
            self.proxy.check()

    # -- jobs --

    def _add_chores(self) -> None:
        scheduler = self.deps.scheduler
        scheduler.add("prune", _PRUNE_EVERY, self._prune)
        scheduler.add("history", _FLUSH_EVERY, lambda: self.work_queue.put(self._save_buckets, WHENEVER))
        if self.proxy is not None:
            scheduler.add("proxy", _PROXY_EVERY, self._check_proxy)
        for name, every, work in self.deps.extra:
            scheduler.add(name, every, work)
        scheduler.start()

    def _prune(self) -> None:
        self.deps.watch.memory.prune(self._now() - self.deps.retention)

    def _save_buckets(self) -> None:
        if self.probing is not None:
            buckets = self.probing.take_buckets()
            if buckets:
                self.deps.watch.memory.add_buckets(buckets)

    # -- configuration and life signs --

    async def _watch_file(self) -> None:
        while True:
            await asyncio.sleep(_FILE_EVERY)
            newer = await asyncio.to_thread(self.deps.stamp)
            if newer != self._stamp:
                self._stamp = newer
                self._reload()

    def _reload(self) -> None:
        self.deps.manager.reloading()
        self._dispatch(self._read_again)

    def _read_again(self) -> None:
        alerts = self.deps.watch.alerts
        try:
            settings = self.deps.reload()
        except BgmonError as error:
            log.warning("bgmon.yml cannot be used, the former one stays in force: %s", error)
            summary = "bgmon.yml cannot be used; the former one stays in force"
            alerts.fire(Condition("state", "bgmon.yml", "ticket", summary, str(error)), self._now())
            return
        alerts.resolve("state", "bgmon.yml", self._now(), "bgmon.yml is read again")
        log.info("bgmon.yml was read again")
        self.work_queue.put(lambda: self.reconciler.reconfigure(settings), URGENT)
        self.work_queue.put(self._look_at_all, SOON)

    async def _show_life(self) -> None:
        """Tell systemd we live, driven by what the work queue gets done: a timer of its own would only prove itself."""
        while True:
            done = self.work_queue.done
            await asyncio.sleep(_ALIVE_EVERY)
            if self.work_queue.done != done and time.monotonic() - self._work_seen < _STUCK_AFTER:
                watches = self.reconciler.watches.values()
                good = sum(watch.state in ("healthy", "degraded") for watch in watches)
                self.deps.manager.alive(f"{good} of {len(watches)} services healthy")

    def _failed(self, error: BgmonError) -> None:
        """A job of the work queue failed. The watch goes on: what could not be written is decided again."""
        log.error("%s", error)
        self._error = (time.monotonic(), str(error))
