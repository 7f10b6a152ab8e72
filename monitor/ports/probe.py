"""One blocking look at a health endpoint, as the deploy's gate needs it."""

from __future__ import annotations

from typing import Protocol

from monitor.domain.probing import Answer
from monitor.domain.spec import HealthPolicy


class Prober(Protocol):
    def probe(self, address: str, port: int, policy: HealthPolicy, *, timeout: float | None = None) -> Answer:
        """Never raises: whatever goes wrong is an answer. Redirects are not followed, bodies are cut at 64 KiB."""
        ...
