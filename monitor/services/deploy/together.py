"""Services that are deployed together: each waits for the others, and none goes on when one has failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Final

from monitor.errors import DeployFailed

_LOOK: Final = 0.2


class Together:
    """Where deploys of several services meet; each runs in a thread of its own.

    Up to the end of the bake a deploy can be undone whole, since its old version still runs. So the last meeting is
    there: when one is not proven, all are undone.
    """

    def __init__(self, services: Collection[str]) -> None:
        self._services = frozenset(services)
        self._changed = threading.Condition()
        self._reached: dict[str, set[str]] = {}
        self._failed: list[str] = []

    def meet(
        self, service: str, at: str, *, cancelled: Callable[[], bool] = lambda: False, within: float = float("inf")
    ) -> None:
        """Wait until every service has reached the same point, in real seconds.

        Raises:
            DeployFailed: another one failed, somebody wants it to end, or the others took longer than `within`.
        """
        waited = 0.0
        with self._changed:
            reached = self._reached.setdefault(at, set())
            reached.add(service)
            self._changed.notify_all()
            while not self._failed and reached != self._services:
                self._changed.wait(_LOOK)
                waited += _LOOK
                if cancelled():
                    raise DeployFailed("interrupted")
                if waited >= within:
                    late = ", ".join(sorted(self._services - reached))
                    raise DeployFailed(f"its requests could not wait for {late} any longer")
            if self._failed:
                raise DeployFailed(
                    f"{', '.join(self._failed)} failed, and they are deployed together",
                    hint="each by itself: bgmon deploy --each",
                )

    def fail(self, service: str) -> None:
        """It goes no further, and neither do the others."""
        with self._changed:
            if not self._failed:  # those that give up because of it are no cause
                self._failed.append(service)
            self._changed.notify_all()
