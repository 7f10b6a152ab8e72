"""One blocking look at a health endpoint, as the deploy's gate needs it."""

from __future__ import annotations

from typing import Protocol

from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer


class Prober(Protocol):
    def probe(self, address: str, port: int, policy: HealthPolicy) -> ProbeAnswer:
        """What AsyncProber.probe gives for this address and the policy's path. Never raises."""
        ...
