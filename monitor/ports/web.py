"""The daemon's HTTP side, and what it is fed with."""

from __future__ import annotations

from typing import Protocol

from monitor.domain.alerting.peers import PeerView


class PeersSource(Protocol):
    """Answers at once; safe from any thread."""

    def views(self) -> tuple[PeerView, ...]: ...


class WebServer(Protocol):
    """Runs in the event loop that starts it."""

    async def start(self) -> None:
        """Listen. Raises UsageError when the address is taken or TLS files are wrong."""
        ...

    async def stop(self) -> None: ...
