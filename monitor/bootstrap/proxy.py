"""The proxy as bgmon.yml has it, also after the file was read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from monitor.bootstrap.wiring import Wiring
    from monitor.ports.proxy import Proxy


def live_proxy(current: Callable[[], Wiring]) -> Proxy:
    """A proxy that may be kept: each call goes to the driver of the current wiring."""
    return cast("Proxy", _Live(lambda: current().proxy_driver))


class _Live:
    """Stands for an object that may be made anew meanwhile."""

    def __init__(self, current: Callable[[], object]) -> None:
        self._current = current

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current(), name)
