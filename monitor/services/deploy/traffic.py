"""One service's traffic: its address, its two slots in the proxy, and the record of both.

A switch tells the proxy first and the record right after, whether or not the proxy could be told: requests come first,
the deploy's journal already says that a switch may have happened, and a proxy that starts goes by the record. A service
without a port has no traffic to switch; every call is then a no-op.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Final

from monitor.domain.containers import Network
from monitor.domain.deploy.records import Release
from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.names import COLORS, Color, other
from monitor.domain.proxy.reach import LOOPBACK, free_address
from monitor.domain.proxy.routes import Slot, SlotCounters, SlotState
from monitor.errors import EngineError
from monitor.services.deploy.candidate import Candidate
from monitor.services.deploy.deps import DeployDeps
from monitor.services.deploy.reach import ready_reach

_PORTS_LOCK: Final = "@ports"
PROXY_LOCK: Final = "@proxy"
_LOCK_WAIT: Final = 60.0
_IDLE_LOOK: Final = 0.01
_IDLE_LOOKS: Final = 2  # in a row: a request may be between being given to a server and being counted there


class TrafficControl:
    def __init__(self, deps: DeployDeps, spec: ServiceSpec) -> None:
        self._deps = deps
        self._service = spec.name
        self._proxied = spec.proxied
        self._port = spec.port

    def reserve(self, candidate: Candidate, *, avoid: frozenset[str | int] = frozenset()) -> Candidate:
        """Claim an address for a candidate, or a port to publish it on, durably.

        The address is the one that its slot had, where that is free.

        Raises:
            EngineError, Conflict: there is none, or the project's network cannot be had.
        """
        if self._port is None:
            return candidate
        deps, color = self._deps, candidate.color
        with deps.locks.acquire(_PORTS_LOCK, wait=_LOCK_WAIT, purpose=f"choosing an address for {self._service}"):
            reach = ready_reach(deps)
            slots = deps.store.all_slots()
            pair = dict(slots.get(self._service, {}))
            before = pair.pop(color, Slot(port=0))
            others = [slot for name, own in slots.items() for slot in (pair if name == self._service else own).values()]
            via = ""
            if reach.network is None:
                placed = replace(candidate, address=LOOPBACK, network="", port=self._free_port(before, others, avoid))
            else:
                address = _free_address(reach.network, before, others, avoid)
                placed = replace(candidate, address=address, network=reach.network.name, port=self._port)
                via = deps.host.address_of(reach.network.bridge)
            assert placed.port is not None
            slot = Slot(placed.port, placed.version, address=placed.address, via=via)
            deps.store.set_slots(self._service, {**pair, color: slot})
        return placed

    def _free_port(self, before: Slot, others: Sequence[Slot], avoid: frozenset[str | int]) -> int:
        deps = self._deps
        taken = avoid | {slot.port for slot in (before, *others) if slot.address == LOOPBACK}
        for port in deps.host.port_candidates(*deps.port_range):
            if port not in taken and deps.host.port_free(port):
                return port
        low, high = deps.port_range
        raise EngineError(f"no free port left in {low}-{high}", hint="widen proxy.ports in bgmon.yml")

    def stage(self, candidate: Candidate | Release) -> None:
        """Point the slot, which has no traffic yet, at the container."""
        if candidate.port is not None:
            with _writing(self._deps):
                self._deps.proxy.stage(
                    self._service, candidate.color, candidate.port, candidate.version, candidate.address
                )

    def split(self, color: Color, weight: int) -> None:
        """Give `color` `weight` percent of new requests, the other one the rest."""
        if self._proxied:
            weights = {color: weight, other(color): 100 - weight}
            with _writing(self._deps):
                self._record({color: "ready", other(color): "ready"}, weights)
                self._deps.proxy.set_weights(self._service, weights)

    def switch(self, color: Color, done: Callable[[], None] = lambda: None) -> None:
        """All new requests to `color`; `done` is called as soon as they go there. The other slot drains, if any."""
        if self._proxied:
            # A reload for another service must find it in the record, and must not take the commands for itself.
            with _writing(self._deps):
                try:
                    self._deps.proxy.switch(self._service, color)
                    done()
                finally:
                    self._record(_switched(color))
        else:
            done()

    def hold(self) -> None:
        """New requests wait for a switch. Not recorded: a proxy that restarts finds nobody, and lets them wait too."""
        if self._proxied:
            with _writing(self._deps):
                self._deps.proxy.hold(self._service)

    def rest(self) -> None:
        """No new requests to either color; those under way go on. A weight of 0 is how HAProxy says that."""
        if self._proxied:
            with _writing(self._deps):
                self._deps.proxy.set_weights(self._service, dict.fromkeys(COLORS, 0))

    def close(self, color: Color) -> None:
        """Cut what is still under way at `color`."""
        if self._proxied:
            with _writing(self._deps):
                self._record({color: "maint"})
                self._deps.proxy.close(self._service, color)

    def _record(self, states: dict[Color, SlotState], weights: dict[Color, int] | None = None) -> None:
        store = self._deps.store
        store.set_slots(self._service, _moved(store.slots(self._service), states, weights))

    def validate_config(self, color: Color) -> None:
        """Have the configuration checked that `save_config` will write once `color` has the traffic.

        Raises:
            ProxyError: the proxy would refuse it.
        """
        deps = self._deps
        if not self._proxied:
            return
        with _writing(deps):
            deps.proxy.validate_config(
                [
                    replace(route, slots=_moved(route.slots, _switched(color)))
                    if route.service == self._service
                    else route
                    for route in deps.routes()
                ]
            )

    def save_config(self) -> None:
        """Make the record what a restarted proxy comes back with."""
        if self._proxied:
            save_proxy_config(self._deps)

    def counters(self, color: Color) -> SlotCounters:
        return self._deps.proxy.counters(self._service)[color] if self._proxied else SlotCounters(0, 0)

    def drained(self, color: Color, limit: float) -> int:
        """Wait until `color` has no request under way, `limit` seconds at most; how many are left."""
        if not self._proxied:
            return 0
        clock = self._deps.clock
        until = clock.monotonic() + limit
        idle = 0
        while True:
            sessions = self._deps.proxy.slots(self._service)[color].sessions
            idle = idle + 1 if sessions == 0 else 0
            if idle >= _IDLE_LOOKS or clock.monotonic() >= until:
                return sessions
            clock.sleep(_IDLE_LOOK)


def _free_address(network: Network, before: Slot, others: Sequence[Slot], avoid: frozenset[str | int]) -> str:
    taken = avoid | {slot.address for slot in others} | network.holders.keys()
    address = free_address(IPv4Network(network.subnets[0]), taken, before.address)
    if address is None:
        raise EngineError(
            f"no address is left in network {network.name} ({network.subnets[0]})",
            hint="a service takes two: set a larger proxy.subnet in bgmon.yml, or proxy.reach to port",
        )
    return address


def traffic_of(deps: DeployDeps, spec: ServiceSpec, active: Release | None) -> TrafficControl:
    """The active release's traffic: by the new spec, but by its own where the deploy takes the service's port away."""
    if active is None or active.port is None or spec.proxied:
        return TrafficControl(deps, spec)
    return TrafficControl(deps, active.spec)


def _switched(to: Color) -> dict[Color, SlotState]:
    return {to: "ready", other(to): "drain"}


def _moved(
    slots: Mapping[Color, Slot], states: Mapping[Color, SlotState], weights: Mapping[Color, int] | None = None
) -> dict[Color, Slot]:
    """The slots there are, with their new states; a weight that is not said is the whole of it."""
    return {
        color: replace(slot, state=states[color], weight=(weights or {}).get(color, 100)) if color in states else slot
        for color, slot in slots.items()
    }


def leave(deps: DeployDeps, service: str) -> None:
    """The service is not to be reached through the proxy any more."""
    deps.store.set_slots(service, {})
    save_proxy_config(deps)


def save_proxy_config(deps: DeployDeps) -> None:
    """Write the proxy's configuration from the record; deploys that run at the same time take turns."""
    with _writing(deps):
        deps.proxy.save_config(deps.routes())


def _writing(deps: DeployDeps) -> AbstractContextManager[None]:
    return deps.locks.acquire(PROXY_LOCK, wait=_LOCK_WAIT, purpose="writing the proxy's configuration")
