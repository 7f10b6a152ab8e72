"""The watchdog's memory while the state file cannot be written: healing goes on, what is missing is written later."""

from __future__ import annotations

import logging
from collections.abc import Callable

from monitor.domain.alerting.conditions import ConditionKind
from monitor.domain.health.watch import Watch
from monitor.errors import StateError
from monitor.ports.totals import Totals
from monitor.ports.watch import WatchStore

log = logging.getLogger(__name__)


class ResilientMemory:
    """What the reconciler writes down. Nothing here raises StateError; `on_error` is told instead.

    A watch that could not be saved is kept and saved with the next that can be. A line in an incident that could not
    be written is lost: the alert it belongs to is kept elsewhere.
    """

    def __init__(self, store: WatchStore, totals: Totals, on_error: Callable[[StateError], None]) -> None:
        self._store = store
        self._totals = totals
        self._on_error = on_error
        self._unsaved: dict[str, Watch] = {}

    def save(self, watch: Watch) -> None:
        self._unsaved[watch.service] = watch
        self._try(self._flush)

    def _flush(self) -> None:
        for service, watch in list(self._unsaved.items()):
            self._store.save(watch)
            del self._unsaved[service]

    def forget(self, service: str) -> None:
        self._unsaved.pop(service, None)
        self._try(lambda: self._store.forget(service))

    def add_restart(self, service: str, reason: str, at: float) -> None:
        self._try(lambda: self._store.add_restart(service, reason, at))

    def count(self, metric: str, labels: tuple[str, ...], value: float = 1.0) -> None:
        self._try(lambda: self._totals.add(metric, labels, value))

    def tell_incident(self, service: str, kind: ConditionKind, cause: str, at: float, detail: str) -> int | None:
        """Open an incident, or add to the open one; its id, None when it could not be written."""
        found: list[int] = []

        def write() -> None:
            known = self._store.current_incident(service)
            found.append(self._store.open_incident(service, kind, cause, at, detail))
            if known is not None:
                self._store.note_incident(known, cause, at)

        self._try(write)
        return found[0] if found else None

    def note(self, service: str, text: str, at: float) -> None:
        """A line in the service's open incident, if any."""

        def write() -> None:
            incident = self._store.current_incident(service)
            if incident is not None:
                self._store.note_incident(incident, text, at)

        self._try(write)

    def close_incident(self, service: str, at: float, note: str) -> None:
        self._try(lambda: self._store.close_incident(service, at, note))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StateError as error:
            self._on_error(error)
