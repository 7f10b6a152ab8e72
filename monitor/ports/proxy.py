"""The reverse proxy, as a swap needs it. HAProxy is the first driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from monitor.domain.names import Color
from monitor.domain.proxy.reach import LOOPBACK
from monitor.domain.proxy.routes import ProxyStatus, ServiceRoute, SlotCounters, SlotStatus


class Proxy(Protocol):
    """Every call raises ProxyUnreachable when the proxy does not answer, ProxyError when it refuses.

    Live changes (`stage` to `close`) take effect at once and are lost at a restart; `persist` makes the table the
    one that a restart or reload comes back with. Nothing here reloads but `boot`, `reload` and, when the set of
    services or their entries changed, `persist`.
    """

    def boot(self, routes: Sequence[ServiceRoute]) -> bool:
        """Start it when it does not run; False when it ran already. Raises ProxyError on a bad configuration."""
        ...

    def status(self) -> ProxyStatus: ...

    def remove(self) -> None:
        """Stop it and take its files away."""
        ...

    def carries(self, routes: Sequence[ServiceRoute]) -> bool:
        """Whether it runs with these services and entries, so that `persist` would not have to reload."""
        ...

    def validate_config(self, routes: Sequence[ServiceRoute]) -> None:
        """Check what `persist` would write for these routes, and change nothing.

        A `persist` of just these has nothing left to check, unless something else is rehearsed or persisted in between.
        Raises ProxyError when it would be refused.
        """
        ...

    def save_config(self, routes: Sequence[ServiceRoute]) -> bool:
        """Write the configuration, checked first, atomically. True when it had to reload."""
        ...

    def reload(self, routes: Sequence[ServiceRoute]) -> None: ...

    def load_certificates(self, routes: Sequence[ServiceRoute]) -> None:
        """Show certificates that were issued or renewed; those that are not in its files yet wait for a reload."""
        ...

    def set_challenges(self, challenges: Mapping[str, str]) -> None:
        """Answer these ACME challenges, by token, and none of those before; also after a reload."""
        ...

    def slots(self, service: str) -> Mapping[Color, SlotStatus]:
        """Both slots as the running proxy has them; raises ProxyError when it does not know the service."""
        ...

    def stage(self, service: str, color: Color, port: int, version: str, address: str = LOOPBACK) -> None:
        """Point a slot without traffic at `address`:`port`."""
        ...

    def switch(self, service: str, to: Color) -> None:
        """All new requests to `to`; the other slot, if it has traffic, drains."""
        ...

    def hold(self, service: str) -> None:
        """New requests wait for a `switch`, as long as the proxy keeps them; those under way go on."""
        ...

    def set_weights(self, service: str, weights: Mapping[Color, int]) -> None:
        """Both slots take new requests, by these weights."""
        ...

    def close(self, service: str, color: Color) -> None:
        """Take no more requests and cut what is still under way."""
        ...

    def counters(self, service: str) -> Mapping[Color, SlotCounters]: ...

    def maintenance(self, service: str, on: bool) -> None: ...  # noqa: FBT001 - it is the value itself
