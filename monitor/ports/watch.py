"""What the watchdog remembers between two daemons, and where its probes come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from monitor.domain.alerting.conditions import ConditionKind
from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer
from monitor.domain.health.status import HealthBucket, IncidentView
from monitor.domain.health.watch import Watch


class WatchStore(Protocol):
    """Every call is durable when it returns. Raises StateError."""

    def watches(self) -> dict[str, Watch]: ...

    def save(self, watch: Watch) -> None: ...

    def forget(self, service: str) -> None:
        """Take away what is remembered of a service that is no longer deployed; its incidents stay."""
        ...

    def open_incident(self, service: str, kind: ConditionKind, cause: str, at: float, detail: str = "") -> int:
        """The id of the service's open incident: the one there is, else a new one."""
        ...

    def note_incident(self, incident: int, text: str, at: float, *, detail: str = "") -> None:
        """Add a line about what was done; with `detail`, add that to what is known."""
        ...

    def close_incident(self, service: str, at: float, note: str) -> None:
        """End the service's open incident; nothing happens without one."""
        ...

    def current_incident(self, service: str) -> int | None: ...

    def incidents(self, *, service: str | None = None, limit: int = 50) -> list[IncidentView]:
        """Newest first."""
        ...

    def add_restart(self, service: str, reason: str, at: float) -> None:
        """Count a restart; the reason `docker` is for those that bgmon only saw."""
        ...

    def restarts_since(self, at: float) -> list[tuple[str, float]]:
        """(service, time) of bgmon's own acts."""
        ...

    def last_event(self) -> int | None:
        """`at_ns` of the last engine event that was worked on."""
        ...

    def set_last_event(self, at_ns: int) -> None: ...

    def add_buckets(self, buckets: Mapping[str, Sequence[HealthBucket]]) -> None:
        """Add probes to the slices of time they belong to."""
        ...

    def buckets(self, since: float) -> dict[str, list[HealthBucket]]: ...

    def prune(self, before: float) -> None:
        """Forget closed incidents, restarts and buckets that are older, and give the space back."""
        ...


class AsyncProber(Protocol):
    async def probe(self, url: str, policy: HealthPolicy) -> ProbeAnswer:
        """One look, cut off after `policy.timeout` seconds. Never raises: whatever goes wrong is an answer.

        Every probe looks the name up anew and opens a connection of its own. Redirects are not followed, a packed
        body is unpacked, bodies are cut at 64 KiB.
        """
        ...

    async def close(self) -> None: ...


class Scheduler(Protocol):
    """Periodic work, each in a thread of its own pool; one that is late is done late, not left out."""

    def add(self, name: str, every: float, work: Callable[[], None]) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class ServiceManager(Protocol):
    """What systemd is told; nothing happens without it."""

    def ready(self) -> None: ...

    def alive(self, status: str) -> None:
        """A sign of progress, and one line about how things are."""
        ...

    def reloading(self) -> None: ...

    def stopping(self) -> None: ...


class AlertRunner(Protocol):
    def start(self) -> None: ...

    def stop(self, timeout: float = 5.0) -> None: ...
