"""Runs a command to its end, in a container of its own that is made like the service's."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from monitor import masking
from monitor.domain.containers import Container, ContainerSpec, brings_init
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.deploy.tasks import KEPT_CHARACTERS, KEPT_LINES, TaskKind, TaskResult, TaskRun
from monitor.domain.names import KIND_TASK, LABEL_KIND, LABEL_PROJECT, LABEL_TASK, LABEL_VERSION, network_name
from monitor.domain.sealing import environment
from monitor.errors import BgmonError, DeployFailed, EngineUnreachable
from monitor.ports.engine import LogLines
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.reach import ready_network

_LOOK: Final = 0.2
_READ: Final = 10.0  # seconds; for the last lines of a container that has ended
_KILLED: Final = 137


@dataclass(frozen=True, slots=True)
class Task:
    """A command for the image `pinned` of a service's `version`; `timeout` is in seconds."""

    kind: TaskKind
    name: str
    spec: ServiceSpec
    version: str
    pinned: str
    command: tuple[str, ...]
    timeout: float
    deploy: str = ""
    goes_on: bool = False
    """Whether it goes on when its caller ends; `resume_task` sees it through."""


class LeftRunning(DeployFailed):
    """The caller ends before a task that goes on without it."""


def run_task(
    deps: DeployDeps, task: Task, secrets: Mapping[str, str], line: Callable[[str], None] = lambda _: None
) -> TaskRun:
    """Run it to its end. The container is gone when this returns or raises, unless it raises LeftRunning.

    Args:
        deps: the ports.
        task: what.
        secrets: the secret values of its environment.
        line: is told each line of its output, secrets masked, from another thread.

    Raises:
        DeployFailed: somebody wants it to end; LeftRunning where the task goes on.
        EngineError, EngineUnreachable: the container could not be made, started or looked at.
    """
    started = deps.clock.now()
    run = TaskRun(
        id=f"{task.spec.name}-{task.name}-{started * 1000:.0f}",
        kind=task.kind,
        name=task.name,
        service=task.spec.name,
        version=task.version,
        command=task.command,
        who=deps.who,
        started_at=started,
        deploy=task.deploy,
    )
    deps.tasks.begin(run)
    execution = _Execution(deps, run, task.spec.deploy.stop, line)
    try:
        execution.container = _create(deps, run.id, task, secrets)
        deps.engine.start(execution.container)
    except BaseException:
        execution.finish()
        raise
    return execution.see_through(task.timeout, goes_on=task.goes_on)


def resume_task(
    deps: DeployDeps, run: TaskRun, *, timeout: float, stop: float, line: Callable[[str], None] = lambda _: None
) -> TaskRun:
    """See a run through to its end whose caller has ended; it is `cut off` where its container is gone.

    Raises:
        LeftRunning: this caller ends as well.
        EngineError, EngineUnreachable: the container could not be looked at.
    """
    execution = _Execution(deps, run, stop, line)
    for made in deps.own.made("task", deploy=run.id):
        execution.container = made.id
        found = deps.engine.inspect(made.id)
        if found is not None and found.started_at is not None:
            return execution.see_through(timeout - (deps.clock.now() - run.started_at), goes_on=True)
    return execution.finish()


def settle_tasks(deps: DeployDeps, service: str) -> list[str]:
    """End the release commands whose deploy was cut off; a line for each. The caller holds the service's lock.

    Raises:
        EngineUnreachable, EngineError: one could not be removed; its record stays for the next try.
    """
    lines = []
    for run in deps.tasks.unfinished("release", service):
        ended = ""
        for made in deps.own.made("task", deploy=run.id):
            found = deps.engine.inspect(made.id)
            if found is not None and found.started_at is not None and not found.running:
                ended = f"; it had ended with exit code {found.exit_code}"
            _put_away(deps, made.id, 0)
        deps.tasks.finish(run.id, "cut off", at=deps.clock.now(), exit_code=None, output="")
        text = f"the release command of {run.version} was cut off"
        lines.append(f"{text}{ended or ': what it does may be done in part, see what is left to do before a deploy'}")
    return lines


def _create(deps: DeployDeps, run: str, task: Task, secrets: Mapping[str, str]) -> str:
    ready_network(deps)
    wanted = _container(deps.project, run, task, secrets)
    image = deps.engine.image(task.pinned)
    if image is not None and brings_init(image, wanted):
        wanted = replace(wanted, init=False)
    container = deps.own.create(wanted, "task", service=task.spec.name, deploy=run)
    for network in task.spec.networks:
        deps.engine.connect(network, container.id, ())
    return container.id


def _container(project: str, run: str, task: Task, secrets: Mapping[str, str]) -> ContainerSpec:
    """Without the service's label, name and ports: nobody takes it for the service, or its output for requests."""
    spec = task.spec
    extra = {key: value for key, value in spec.docker.items() if key != "labels"}
    return ContainerSpec(
        name=f"{project}-{run}",
        image=task.pinned,
        labels={
            LABEL_PROJECT: project,
            LABEL_KIND: KIND_TASK,
            LABEL_TASK: f"{spec.name}/{task.name}",
            LABEL_VERSION: task.version,
        },
        env=environment(spec, secrets),
        publish={},
        command=task.command,
        memory=spec.limits.memory,
        cpus=spec.limits.cpus,
        pids=spec.limits.pids,
        restart="no",
        volumes=spec.volumes,
        network=network_name(project),
        user=spec.user,
        read_only=spec.read_only,
        init=spec.init,
        log_max_size=spec.log_files.max_size,
        log_max_files=spec.log_files.max_files,
        extra=extra,
    )


def _await_end(
    deps: DeployDeps, container: str, timeout: float, *, patient: bool = False
) -> tuple[TaskResult, int | None]:
    """`patient` waits for an engine that is away, such as one that is upgraded."""
    until = deps.clock.monotonic() + timeout
    while True:
        try:
            found = deps.engine.inspect(container)
        except EngineUnreachable:
            if not patient or deps.clock.monotonic() >= until:
                raise
        else:
            if found is None:
                return "cut off", None  # somebody removed it
            if not found.running:
                return ("done" if found.exit_code == 0 else "failed"), _code(found)
        if deps.cancelled():
            raise DeployFailed("interrupted")
        if deps.clock.monotonic() >= until:
            return "timed out", None
        deps.clock.sleep(_LOOK)


def _code(container: Container) -> int:
    return _KILLED if container.oom_killed and not container.exit_code else container.exit_code or 0


def _put_away(deps: DeployDeps, container: str, stop: float) -> None:
    found = deps.engine.inspect(container)
    if found is not None and found.running:
        deps.engine.stop(container, stop)
    deps.own.remove(container)


class _Execution:
    """A run, its container once there is one, and what it writes."""

    def __init__(self, deps: DeployDeps, run: TaskRun, stop: float, line: Callable[[str], None]) -> None:
        self._deps = deps
        self._run = run
        self._stop = stop
        self._output = _Output(line)
        self.container: str | None = None

    def see_through(self, timeout: float, *, goes_on: bool) -> TaskRun:
        """Wait for its end. With `goes_on`, it is left running when the caller is to end."""
        assert self.container is not None
        try:
            self._output.follow(self._deps.engine.logs(self.container, follow=True))
            result, code = _await_end(self._deps, self.container, timeout, patient=goes_on)
        except DeployFailed:
            if goes_on:
                self._output.close()
                raise LeftRunning(f"{self._run.id} goes on by itself") from None
            self.finish()
            raise
        except BaseException:
            self.finish()
            raise
        return self.finish(result, code)

    def finish(self, result: TaskResult = "cut off", code: int | None = None) -> TaskRun:
        """Until its container is put away, the run stays on record as unfinished."""
        if self.container is not None:
            _put_away(self._deps, self.container, self._stop)
        text, at = self._output.text(), self._deps.clock.now()
        self._deps.tasks.finish(self._run.id, result, at=at, exit_code=code, output=text)
        return replace(self._run, finished_at=at, result=result, exit_code=code, output=text)


class _Output:
    """The last lines of a container's output, read while it runs."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._kept: deque[str] = deque(maxlen=KEPT_LINES)
        self._thread: threading.Thread | None = None
        self._lines: LogLines | None = None

    def follow(self, lines: LogLines) -> None:
        self._lines = lines
        self._thread = threading.Thread(target=self._read, args=(lines,), name="task-output", daemon=True)
        self._thread.start()

    def text(self) -> str:
        """All there is; the container has ended, so its stream ends by itself."""
        if self._thread is not None:
            self._thread.join(_READ)
        self.close()
        return "\n".join(self._kept)

    def close(self) -> None:
        """Read no further."""
        if self._thread is not None and self._lines is not None:
            self._lines.close()
            self._thread.join(_READ)

    def _read(self, lines: LogLines) -> None:
        try:
            for raw in lines:
                text = masking.clean(raw.decode(errors="replace"))[:KEPT_CHARACTERS]
                self._kept.append(text)
                self._line(text)
        except BgmonError:
            self._kept.append("(the rest of its output could not be read)")
