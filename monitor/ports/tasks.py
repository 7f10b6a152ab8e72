"""What is remembered of commands that ran in a container of their own."""

from __future__ import annotations

from typing import Protocol

from monitor.domain.deploy.tasks import TaskKind, TaskResult, TaskRun


class TaskStore(Protocol):
    """Every call is durable when it returns. Raises StateError."""

    def begin(self, run: TaskRun) -> None: ...

    def finish(self, run: str, result: TaskResult, *, at: float, exit_code: int | None, output: str) -> None:
        """End a run; the oldest of the same name are forgotten."""
        ...

    def unfinished(self, kind: TaskKind, service: str | None = None) -> list[TaskRun]: ...

    def runs(
        self, *, service: str | None = None, kind: TaskKind | None = None, name: str | None = None, limit: int = 50
    ) -> list[TaskRun]:
        """Newest first."""
        ...  # fmt: skip

    def run(self, run: str) -> TaskRun | None: ...

    def handled(self, job: str) -> float | None:
        """Until when the planned runs of a job have been dealt with, in unix seconds; None before the first time."""
        ...

    def set_handled(self, job: str, at: float) -> None: ...
