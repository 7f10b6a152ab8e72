"""Runs jobs when they are due: each at most once for a planned moment, at least once for those that were missed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from monitor.domain import names
from monitor.domain.alerting.conditions import Condition
from monitor.domain.deploy.tasks import TaskRun, ending
from monitor.domain.jobs import Due, Job, JobView, due, next_moment, resumed_at, slow_after
from monitor.errors import BgmonError
from monitor.ports.alerts import Alerts
from monitor.ports.backups import Backups
from monitor.ports.tasks import TaskStore
from monitor.ports.totals import Totals
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.recreate import release_secrets
from monitor.services.deploy.tasks import LeftRunning, Task, resume_task, run_task

log = logging.getLogger(__name__)

BACKUP: Final = "/backup"
"""The folder in a backup's container that it writes to."""
_NOTHING: Final = f"(bgmon: nothing was written to {BACKUP})"
_SHOWN: Final = 10  # lines of its output in an alert
_PAST: Final = 20
_LOOK_BACK: Final = 30.0  # seconds between looks for runs that nobody sees through


@dataclass(slots=True)
class _Running:
    since: float
    slow_after: float | None
    tries: list[str] = field(default_factory=list)


class JobRunner:
    """`round` is called every second or so; runs go on in threads of their own.

    Args:
        deps: the ports; `cancelled` is true once the daemon ends, and runs then go on without it.
        jobs: those that this host runs, by name, as bgmon.yml has them now.
        alerts: who tells people.
        totals: counters that outlive the daemon.
        backups: where jobs that back up write.
        start: begins work in a thread of its own.
    """

    def __init__(
        self,
        deps: DeployDeps,
        jobs: Callable[[], Mapping[str, Job]],
        alerts: Alerts,
        totals: Totals,
        backups: Backups,
        *,
        start: Callable[[Callable[[], None]], None],
    ) -> None:
        self._deps = deps
        self._jobs = jobs
        self._alerts = alerts
        self._totals = totals
        self._backups = backups
        self._start = start
        self._lock = threading.Lock()
        self._running: dict[str, list[_Running]] = {}
        self._looked_back: float | None = None

    def round(self) -> None:
        """Begin what is due, and say what is late or slow. Raises StateError."""
        now = self._deps.clock.now()
        if self._looked_back is None or now - self._looked_back >= _LOOK_BACK:
            self._resume()
            self._looked_back = now
        for job in self._jobs().values():
            self._slow(job, now)
            handled = self._deps.tasks.handled(job.name)
            known = now if handled is None else resumed_at(handled, now)
            found = due(job, known, now)
            if found is not None:
                self._deps.tasks.set_handled(job.name, found.at)
                self._begin(job, found, now)
            elif known != handled:  # seen for the first time, or the clock was set back
                self._deps.tasks.set_handled(job.name, known)

    def views(self) -> list[JobView]:
        """Safe from any thread."""
        now = self._deps.clock.now()
        with self._lock:
            since = {name: min(run.since for run in runs) for name, runs in self._running.items() if runs}
        return [view(self._deps.tasks, job, now, since.get(job.name)) for job in self._jobs().values()]

    # -- what is due --

    def _begin(self, job: Job, found: Due, now: float) -> None:
        missed = found.missed + found.is_late(now)
        if missed:
            self._totals.add(names.METRIC_JOB_MISSED, (job.name,), missed)
            many = "more than " if found.many else ""
            times = f"{many}{missed} runs" if missed > 1 else f"the run of {_clock(job, found.at)}"
            then = "it runs now" if job.missed == "run" else "the next one is as planned"
            self._tell_missed(job, f"{times} did not begin in time: no daemon was there; {then}", now)
            if job.missed == "skip" and found.is_late(now):
                return
        with self._lock:
            under_way = self._running.setdefault(job.name, [])
            if under_way and job.overlap == "forbid":
                since = under_way[0].since
            else:
                since = None
                running = _Running(now, slow_after(self._durations(job)))
                under_way.append(running)
        if since is not None:
            self._totals.add(names.METRIC_JOB_MISSED, (job.name,), 1)
            text = f"the run of {_clock(job, found.at)} was left out: the one of {_clock(job, since)} is under way"
            self._tell_missed(job, text, now)
            return
        self._start(lambda: self._work(job, running, lambda: self._once(job)))

    def _tell_missed(self, job: Job, text: str, now: float) -> None:
        log.warning("%s: %s", job.name, text)
        self._alerts.tell(Condition("job-missed", job.name, "ticket", f"job {job.name}: {text}"), now)

    def _slow(self, job: Job, now: float) -> None:
        with self._lock:
            running = list(self._running.get(job.name, ()))
        for run in running:
            if run.slow_after is not None and now - run.since > run.slow_after:
                text = f"job {job.name} takes longer than usual: {now - run.since:.0f} s by now"
                detail = f"usually less than {run.slow_after:.0f} s; it is stopped after {job.timeout:g} s"
                self._alerts.fire(Condition("job-slow", job.name, "ticket", text, detail), now)

    def _durations(self, job: Job) -> list[float]:
        runs = self._deps.tasks.runs(service=job.like, kind="job", name=job.name, limit=_PAST)
        return [
            run.finished_at - run.started_at for run in runs if run.result == "done" and run.finished_at is not None
        ]

    # -- a run, from its beginning to its last retry --

    def _once(self, job: Job) -> TaskRun:
        task, secrets = _task(self._deps, job.like, job.command, job.timeout, job.name)
        return _run(self._deps, self._backups, job, (replace(task, goes_on=True), secrets))

    def _work(self, job: Job, running: _Running, first: Callable[[], TaskRun]) -> None:
        try:
            self._try(job, first)
        except LeftRunning as left:
            log.info("%s", left)
        finally:
            with self._lock:
                self._running[job.name].remove(running)
            self._alerts.resolve("job-slow", job.name, self._deps.clock.now(), "it has ended")

    def _try(self, job: Job, first: Callable[[], TaskRun]) -> None:
        attempt = first
        for left in range(job.retries, -1, -1):
            result, text, detail = self._outcome(job, attempt)
            self._totals.add(names.METRIC_JOB_RUNS, (job.name, result))
            now = self._deps.clock.now()
            if result == "done":
                self._alerts.resolve("job-failed", job.name, now, f"job {job.name} is done")
                return
            log.warning("job %s %s%s", job.name, text, f"; {left} more tries" if left else "")
            if not left:
                again = f" {job.retries + 1} times in a row" if job.retries else ""
                summary = f"job {job.name} failed{again}: it {text}"
                self._alerts.fire(Condition("job-failed", job.name, "ticket", summary, detail), now)
            elif not self._pause(job.pause * 2 ** (job.retries - left)):
                return
            attempt = lambda: self._once(job)  # noqa: E731

    def _outcome(self, job: Job, attempt: Callable[[], TaskRun]) -> tuple[str, str, str]:
        """The result, how it ended in words, and its last lines."""
        try:
            run = attempt()
        except LeftRunning:
            raise
        except BgmonError as error:
            return "failed", f"could not run: {error}", error.hint or ""
        last = "\n".join(run.output.splitlines()[-_SHOWN:])
        more = f"all of its output: bgmon tasks --output {run.id}"
        return str(run.result), ending(run, job.timeout), f"{last}\n{more}" if last else more

    def _pause(self, seconds: float) -> bool:
        """False when the daemon ends meanwhile."""
        until = self._deps.clock.monotonic() + seconds
        while self._deps.clock.monotonic() < until:
            if self._deps.cancelled():
                return False
            self._deps.clock.sleep(min(0.5, seconds))
        return True

    # -- runs whose daemon has ended --

    def _resume(self) -> None:
        jobs = self._jobs()
        with self._lock:
            seen_through = {name for name, runs in self._running.items() if runs}
        for run in self._deps.tasks.unfinished("job"):
            if run.name in seen_through:
                continue
            job = jobs.get(run.name)
            if job is None:
                job = Job(run.name, run.service, run.command, "@daily")
            job = replace(job, retries=0) if job.command != run.command else job
            running = _Running(run.started_at, slow_after(self._durations(job)))
            with self._lock:
                self._running.setdefault(job.name, []).append(running)
            self._start(lambda job=job, run=run, running=running: self._work(job, running, self._resumed(job, run)))  # type: ignore[misc]

    def _resumed(self, job: Job, run: TaskRun) -> Callable[[], TaskRun]:
        release = self._deps.store.active(run.service)
        stop = release.spec.deploy.stop if release is not None else 10.0
        return lambda: resume_task(self._deps, run, timeout=job.timeout, stop=stop)


def run_by_hand(deps: DeployDeps, service: str, command: tuple[str, ...], *, timeout: float) -> TaskRun:
    """Run a command once in the image that the service runs.

    Each line of its output is told as an event `output`, secrets masked.

    Raises:
        BgmonError: the service is not deployed here.
        DeployFailed: somebody wants it to end; it is stopped.
        EngineError, EngineUnreachable, StateError: it could not be run.
    """
    task, secrets = _task(deps, service, command, timeout, None)
    return run_task(deps, task, secrets, lambda line: deps.tell("output", service, line))


def run_job(deps: DeployDeps, backups: Backups, job: Job) -> TaskRun:
    """Run a job now, whatever its schedule. Raises what `run_by_hand` does."""
    task, secrets = _task(deps, job.like, job.command, job.timeout, job.name)
    return _run(deps, backups, job, (task, secrets), lambda line: deps.tell("output", job.like, line))


def _run(
    deps: DeployDeps,
    backups: Backups,
    job: Job,
    work: tuple[Task, Mapping[str, str]],
    line: Callable[[str], None] = lambda _: None,
) -> TaskRun:
    """A backup gets a folder of its own; the folder of one that did not come about is taken away."""
    task, secrets = work
    if job.keep is None:
        return run_task(deps, task, secrets, line)
    folder = backups.begin(job.like, deps.clock.now())
    spec = replace(task.spec, volumes=(*task.spec.volumes, f"{folder}:{BACKUP}"))
    good = False
    try:
        run = run_task(deps, replace(task, spec=spec), secrets, line)
        if run.result == "done" and backups.is_empty(folder):
            output = f"{run.output}\n{_NOTHING}".strip()
            deps.tasks.finish(run.id, "failed", at=deps.clock.now(), exit_code=run.exit_code, output=output)
            return replace(run, result="failed", output=output)
        good = run.result == "done"
    except LeftRunning:
        good = True
        raise
    finally:
        if not good:
            backups.discard(folder)
    backups.keep(job.like, job.keep)
    return run


def _task(
    deps: DeployDeps, service: str, command: tuple[str, ...], timeout: float, job: str | None
) -> tuple[Task, Mapping[str, str]]:
    """With what the service's release has: its very image, its environment, the secrets it was deployed with."""
    release = deps.store.active(service)
    if release is None:
        hint = f"bgmon deploy {service}"
        raise BgmonError(f"{service} is not deployed here: there is no image to run it in", hint=hint)
    task = Task(
        kind="job" if job else "run",
        name=job or "run",
        spec=release.spec,
        version=release.version,
        pinned=release.image_id,
        command=command,
        timeout=timeout,
    )
    return task, release_secrets(deps, release, release.spec)


def view(tasks: TaskStore, job: Job, now: float, running_since: float | None) -> JobView:
    """From what the state file has."""
    runs = tasks.runs(service=job.like, kind="job", name=job.name, limit=_PAST)
    ended = [run for run in runs if run.result is not None]
    if running_since is None:
        running_since = next((run.started_at for run in runs if run.result is None), None)
    good = next((run for run in ended if run.result == "done"), None)
    return JobView(job, next_moment(job, now), running_since, ended[0] if ended else None, good)


def _clock(job: Job, at: float) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(job.zone)).strftime("%Y-%m-%d %H:%M")
