"""What events told that nobody can see afterwards: how a process died, that a person asked for it, what was missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from monitor.domain.containers import EngineEvent
from monitor.domain.health.facts import Death
from monitor.domain.health.oom import OOM_LATE
from monitor.domain.health.stop_detection import OwnAct, StopIntent, covers, intent_of, is_harmless, merged
from monitor.services.watchdog.observer import Seen

_STREAM_PATIENCE: Final = 2.0
_SPANS_KEPT: Final = 30.0
_JUST_BEFORE: Final = 10.0
_SAME_END: Final = OOM_LATE  # that a process ended, and that memory was why, comes from the engine in either order


class EventMemory:
    """By service; `acting` holds bgmon's own acts under way, whose events say nothing about anybody else."""

    def __init__(self) -> None:
        self.acting: dict[str, OwnAct] = {}
        self.killed: dict[str, float] = {}
        self._over: list[OwnAct] = []
        self._deaths: dict[str, list[Death]] = {}
        self._wishes: dict[str, StopIntent] = {}
        self._ooms: dict[str, list[float]] = {}  # of the life that runs, by container
        self._last_events: dict[str, float] = {}
        self._unannounced: dict[str, float] = {}
        self._signals: dict[str, float] = {}  # by container: when a harmless one was sent to it in this life
        self._starts: dict[str, float] = {}

    def take(self, service: str, event: EngineEvent, *, nobodys_wish: bool) -> None:
        """Remember what the event tells. `nobodys_wish`: stops at this moment are the engine's own."""
        self._last_events[event.container_id] = event.at
        if event.action == "start":
            self.killed.pop(service, None)
            self._ooms.pop(event.container_id, None)
            self._signals.pop(event.container_id, None)
            self._starts[event.container_id] = event.at
        elif event.action == "destroy":
            self._forget(event.container_id)
        elif event.action == "oom":
            self._oom(service, event)
        elif event.action == "die":
            self._died(service, event)
        elif is_harmless(event):
            self._signals[event.container_id] = event.at
        elif not nobodys_wish:
            wish = intent_of(event, self._own())
            if wish is not None:
                self._wishes[service] = merged(self._wishes.get(service), wish) or wish
                self.killed.setdefault(service, event.at)

    def _died(self, service: str, event: EngineEvent) -> None:
        ooms = self._ooms.pop(event.container_id, [])
        # A child may have been killed long before, and an orderly end is none for want of memory.
        oom = bool(ooms) and event.exit_code != 0 and event.at - ooms[-1] <= _JUST_BEFORE
        if not any(self._ours(span, event) for span in self._own()):
            code = -1 if event.exit_code is None else event.exit_code
            self._deaths.setdefault(service, []).append(Death(event.at, code, oom=oom))

    def _ours(self, span: OwnAct, death: EngineEvent) -> bool:
        """Whether our own stop caused it; that may be told after the call has returned, but not after a start."""
        started = self._starts.get(death.container_id, 0.0)
        return covers(span, death) and not span.begin <= started <= death.at

    def _forget(self, container: str) -> None:
        for known in (self._ooms, self._last_events, self._unannounced, self._signals, self._starts):
            known.pop(container, None)

    def signalled(self, container: str) -> float | None:
        """When a signal that usually ends nothing was last sent to it, since its last start."""
        return self._signals.get(container)

    def _oom(self, service: str, event: EngineEvent) -> None:
        deaths = self._deaths.get(service, [])
        if deaths and event.at - deaths[-1].at < _SAME_END:
            deaths[-1] = replace(deaths[-1], oom=True)
        else:
            self._ooms.setdefault(event.container_id, []).append(event.at)

    def _own(self) -> Iterator[OwnAct]:
        yield from self._over
        yield from self.acting.values()

    def oom_events(self, container: str) -> int:
        """How many the engine told of since that container's start."""
        return len(self._ooms.get(container, ()))

    def deaths(self, service: str) -> tuple[Death, ...]:
        return tuple(self._deaths.get(service, ()))

    def wish(self, service: str) -> StopIntent | None:
        return self._wishes.get(service)

    def counted(self, service: str) -> None:
        """Its deaths have been decided upon."""
        self._deaths.pop(service, None)

    def drop_wish(self, service: str) -> None:
        self._wishes.pop(service, None)

    def begin(self, service: str, container: str, now: float) -> None:
        self.acting[service] = OwnAct(container, now)

    def end(self, service: str, now: float) -> None:
        span = self.acting.pop(service)
        self._over = [old for old in self._over if now - (old.end or now) < _SPANS_KEPT]
        self._over.append(replace(span, end=now))

    def missed(self, before: Seen | None, after: Seen | None, now: float) -> bool:
        """Whether the container changed some seconds ago and no event has said so: the stream has gone deaf."""
        old = before.facts.container if before is not None else None
        new = after.facts.container if after is not None else None
        if new is None:
            return False
        if old is not None and old.id == new.id and old.state != new.state:
            self._unannounced[new.id] = max(new.started_at or 0.0, new.finished_at or 0.0)
        changed = self._unannounced.get(new.id)
        if changed is None or now < changed + _STREAM_PATIENCE:
            return False
        del self._unannounced[new.id]
        return self._last_events.get(new.id, 0.0) < changed - _STREAM_PATIENCE
