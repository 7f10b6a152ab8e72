"""One deploy's write-ahead journal: its steps, the seconds they took, and where it lets itself be interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from monitor.domain.deploy.records import DeployRecord, Release, Result
from monitor.domain.deploy.swap import Step, advance
from monitor.errors import DeployFailed
from monitor.services.deploy.deps import DeployDeps, DeployRequest

_STOPPABLE: Final[frozenset[Step]] = frozenset({"pull", "release", "create", "hold", "gate", "canary"})


def new_record(deps: DeployDeps, request: DeployRequest) -> DeployRecord:
    """A deploy that begins now."""
    started = deps.clock.now()
    return DeployRecord(
        id=f"{request.spec.name}-{started * 1000:.0f}",
        service=request.spec.name,
        kind=request.kind,
        image=request.image,
        version=request.version,
        who=deps.who,
        started_at=started,
    )


class Journal:
    """Every step is committed before it acts.

    Attributes:
        record: the deploy as the state file has it.
        timings: seconds by step, complete once the deploy is finished.
        switched: whether the candidate may have been given traffic.
        held: whether requests were made to wait, and the active container may be stopped.
    """

    def __init__(self, deps: DeployDeps, record: DeployRecord) -> None:
        self._deps = deps
        self._began = deps.clock.monotonic()
        self._last: Step | None = None
        self.record = record
        self.timings: dict[str, float] = {}
        self.switched = False
        self.held = False

    def begin(self) -> None:
        self._deps.store.begin(self.record)
        self.note("begin")

    def note(self, step: Step, data: Mapping[str, object] | None = None) -> None:
        """Commit a step.

        Raises:
            DeployFailed: somebody wants the deploy to end, and this step is one before which it can.
            ValueError: the step does not come after the last one.
        """
        advance(self._last, step)
        if step in _STOPPABLE:
            self.check_cancelled(step)
        self._deps.store.note(self.record.id, step, data or {}, self._deps.clock.now())
        self._last = step
        self.switched = self.switched or step == "canary"
        self.held = self.held or step == "hold"

    def check_cancelled(self, before: Step) -> None:
        """Raises DeployFailed when somebody wants the deploy to end."""
        if self._deps.cancelled():
            raise DeployFailed(f"interrupted before {before}")

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds of the block to `timings`."""
        began = self._deps.clock.monotonic()
        try:
            yield
        finally:
            taken = self._deps.clock.monotonic() - began
            self.timings[step] = round(self.timings.get(step, 0.0) + taken, 6)

    def deployed(self, release: Release) -> None:
        """The candidate is the active release from now on."""
        now = self._deps.clock.now()
        self._deps.store.finish(self.record.id, "deployed", at=now, timings=self.timings, release=release)

    def failed(self, reason: str) -> None:
        """It was undone; the kept secrets of the candidate go with it."""
        result: Result = "switched-back" if self.switched else "failed"
        now = self._deps.clock.now()
        self._deps.store.finish(self.record.id, result, at=now, reason=reason, timings=self.timings)
        self._deps.secrets.drop(self.record.id)

    def total(self) -> None:
        """Write down how long it took up to now."""
        self.timings["total"] = self._deps.clock.monotonic() - self._began
