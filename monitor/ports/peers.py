"""The other hosts' daemons, and the dead man's switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Peer:
    """`token` is the peer's watch.token; it is a secret."""

    name: str
    url: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Peer({self.name!r}, {self.url!r})"


class PeerClient(Protocol):
    """Blocking; each call ends within its deadline and never raises."""

    def look(self, peer: Peer) -> str:
        """Ask /healthz; empty when it answers well, else what is wrong."""
        ...

    def report(self, witness: Peer) -> Mapping[str, bool]:
        """What the witness thinks of its own peers, by name: up or not; empty when it does not answer."""
        ...
