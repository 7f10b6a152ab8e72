"""Commands that run to their end in a container of their own: before a release, by a schedule, or once by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

TaskKind = Literal["release", "job", "run"]
TaskResult = Literal["done", "failed", "timed out", "cut off"]
KEPT_LINES: Final = 200
KEPT_CHARACTERS: Final = 2000  # of each line


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One run of a command, ended or not.

    `name` is the job's, else the kind; `deploy` is the deploy that a release command belongs to. `output` holds the
    last lines, secrets masked.
    """

    id: str
    kind: TaskKind
    name: str
    service: str
    version: str
    command: tuple[str, ...]
    who: str
    started_at: float
    deploy: str = ""
    finished_at: float | None = None
    result: TaskResult | None = None
    exit_code: int | None = None
    output: str = ""


def ending(run: TaskRun, timeout: float) -> str:
    """How it ended, in words."""
    match run.result:
        case "done":
            return "is done"
        case "failed":
            return f"ended with exit code {run.exit_code}"
        case "timed out":
            return f"did not end within {timeout:g} s and was stopped"
        case "cut off":
            return "was cut off"
    return "is under way"
