"""One blocking look at a health endpoint, as the deploy's gate needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from monitor.domain.spec import HealthPolicy


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What a probe got. `status` is 0 when there was no answer, and `error` says why; `seconds` is how long it took."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    error: str = ""
    seconds: float = 0.0


class Prober(Protocol):
    def probe(self, address: str, port: int, policy: HealthPolicy, *, timeout: float | None = None) -> ProbeAnswer:
        """Never raises: whatever goes wrong is an answer. Redirects are not followed, bodies are cut at 64 KiB."""
        ...
