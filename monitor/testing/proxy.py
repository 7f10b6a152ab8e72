"""A proxy in memory, for tests and simulations."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitor.domain.names import COLORS, Color, other
from monitor.domain.proxy.reach import LOOPBACK
from monitor.domain.proxy.routes import (
    ProxyStatus,
    ServiceRoute,
    Slot,
    SlotCounters,
    SlotState,
    SlotStatus,
    lost_lines_text,
)
from monitor.errors import ProxyError, ProxyUnreachable

_VERSION = "fake"
_FULL = 100
_REMEMBERED_CALLS = 100_000


class FakeProxy:
    """Fulfils ports.proxy.Proxy. Live state and what is persisted are kept apart, as in a real one.

    Attributes:
        reachable: False lets every call but `boot`, `status` and `remove` raise ProxyUnreachable.
        live: what the running proxy does, by service and color.
        saved: what a restart comes back with.
        sessions: what is under way, set by tests; `close` takes it away.
        totals: what `counters` says, set by tests.
        under_maintenance: services that show the page.
        challenges: ACME challenges that it answers, by token.
        reloads: how often it reloaded.
        lost_lines: of the access log, set by tests.
        calls: (method, service) of the latest calls, in order.
    """

    def __init__(self) -> None:
        self.running = False
        self.reachable = True
        self.live: dict[str, dict[Color, Slot]] = {}
        self.saved: tuple[ServiceRoute, ...] = ()
        self.sessions: dict[tuple[str, Color], int] = {}
        self.totals: dict[tuple[str, Color], SlotCounters] = {}
        self.under_maintenance: set[str] = set()
        self.challenges: dict[str, str] = {}
        self.reloads = 0
        self.lost_lines = 0
        self.calls: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED_CALLS)
        self._refused: list[ProxyError | ProxyUnreachable] = []

    # --- what the world does ---

    def fail(self, error: ProxyError | ProxyUnreachable, *, times: int = 1) -> None:
        """Let the next live changes fail."""
        self._refused += [error] * times

    def crash(self) -> None:
        """It dies, and everything that was only live with it."""
        self.running = False
        self.live.clear()
        self.sessions.clear()

    def target(self, service: str) -> Color | None:
        """Where a new request goes, when that is one color."""
        ready = [color for color, slot in self.live.get(service, {}).items() if slot.state == "ready"]
        return ready[0] if len(ready) == 1 else None

    # --- the port ---

    def boot(self, routes: Sequence[ServiceRoute]) -> bool:
        self.calls.append(("boot", ""))
        if self.running:
            return False
        self.running = True
        self._load(routes)
        return True

    def status(self) -> ProxyStatus:
        if not self.running:
            return ProxyStatus(running=False, detail="it does not run")
        if not self.reachable:
            raise ProxyUnreachable("the proxy does not answer")
        return ProxyStatus(
            running=True,
            version=_VERSION,
            services=tuple(sorted(self.live)),
            detail=lost_lines_text(self.lost_lines),
            lost_lines=self.lost_lines,
        )

    def remove(self) -> None:
        self.calls.append(("remove", ""))
        self.crash()
        self.saved = ()

    def carries(self, routes: Sequence[ServiceRoute]) -> bool:
        self._reach("carries")
        return [_structure(route) for route in routes] == [_structure(route) for route in self.saved]

    def validate_config(self, routes: Sequence[ServiceRoute]) -> None:
        self.calls.append(("validate_config", ""))
        del routes

    def save_config(self, routes: Sequence[ServiceRoute]) -> bool:
        self.calls.append(("save_config", ""))
        changed = [_structure(route) for route in routes] != [_structure(route) for route in self.saved]
        self.saved = tuple(routes)
        if not (self.running and changed):
            return False
        self.reload(routes)
        return True

    def reload(self, routes: Sequence[ServiceRoute]) -> None:
        self._reach("reload")
        self.reloads += 1
        self._load(routes)

    def load_certificates(self, routes: Sequence[ServiceRoute]) -> None:
        del routes
        self._reach("load_certificates")

    def set_challenges(self, challenges: Mapping[str, str]) -> None:
        self._reach("set_challenges")
        self.challenges = dict(challenges)

    def slots(self, service: str) -> Mapping[Color, SlotStatus]:
        found = self._service("slots", service)
        return {
            color: SlotStatus(
                color, slot.state, slot.weight, slot.port, self.sessions.get((service, color), 0), slot.address
            )
            for color, slot in found.items()
        }

    def stage(self, service: str, color: Color, port: int, version: str, address: str = LOOPBACK) -> None:
        self._service("stage", service)[color] = Slot(port=port, version=version, state="maint", address=address)

    def switch(self, service: str, to: Color) -> None:
        slots = self._service("switch", service)
        self._set(slots, to, "ready", _FULL)
        if slots[other(to)].state != "maint":
            self._set(slots, other(to), "drain")

    def hold(self, service: str) -> None:
        slots = self._service("hold", service)
        for color in COLORS:
            if slots[color].state != "maint":
                self._set(slots, color, "drain")

    def set_weights(self, service: str, weights: Mapping[Color, int]) -> None:
        slots = self._service("set_weights", service)
        for color, weight in weights.items():
            if weight > 0:
                self._set(slots, color, "ready", weight)
            elif slots[color].state != "maint":
                self._set(slots, color, "drain")

    def close(self, service: str, color: Color) -> None:
        self._set(self._service("close", service), color, "maint")
        self.sessions.pop((service, color), None)

    def counters(self, service: str) -> Mapping[Color, SlotCounters]:
        self._service("counters", service)
        return {color: self.totals.get((service, color), SlotCounters(0, 0)) for color in COLORS}

    def maintenance(self, service: str, on: bool) -> None:  # noqa: FBT001 - it is the value itself
        self._service("maintenance", service)
        (self.under_maintenance.add if on else self.under_maintenance.discard)(service)

    # --- inside ---

    def _load(self, routes: Sequence[ServiceRoute]) -> None:
        self.saved = tuple(routes)
        self.under_maintenance = {route.service for route in routes if route.maintenance}
        self.live = {route.service: {color: _loaded(route.slots.get(color)) for color in COLORS} for route in routes}

    def _reach(self, method: str, service: str = "") -> None:
        self.calls.append((method, service))
        if not (self.running and self.reachable):
            raise ProxyUnreachable("the proxy does not answer", hint="start it with: bgmon proxy boot")
        if self._refused and method not in {"slots", "counters"}:
            raise self._refused.pop(0)

    def _service(self, method: str, service: str) -> dict[Color, Slot]:
        self._reach(method, service)
        if service not in self.live:
            raise ProxyError(f"the proxy does not know the service {service}")
        return self.live[service]

    def _set(self, slots: dict[Color, Slot], color: Color, state: SlotState, weight: int | None = None) -> None:
        slots[color] = replace(slots[color], state=state, weight=slots[color].weight if weight is None else weight)


def _loaded(slot: Slot | None) -> Slot:
    """A slot as a restart brings it back: what was draining is closed, for what it had under way is gone."""
    if slot is None:
        return Slot(port=1)
    return slot if slot.state == "ready" else replace(slot, state="maint")


def _structure(route: ServiceRoute) -> ServiceRoute:
    return replace(route, slots={}, maintenance=False)
