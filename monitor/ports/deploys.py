"""Where deploys are remembered: the journal, the releases, the proxy's slots, and what a person decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from monitor.domain.deploy.records import DeployRecord, JournalEntry, Release, Result, ServiceFlags
from monitor.domain.names import Color
from monitor.domain.proxy.routes import Slot


class DeployStore(Protocol):
    """Every call is durable when it returns. Raises StateError."""

    def begin(self, record: DeployRecord) -> None: ...

    def note(self, deploy: str, step: str, data: Mapping[str, Any], at: float) -> None:
        """Append to the write-ahead journal: what is about to be done."""
        ...

    def journal(self, deploy: str) -> list[JournalEntry]: ...

    def finish(
        self,
        deploy: str,
        result: Result,
        *,
        at: float,
        reason: str = "",
        timings: Mapping[str, float] | None = None,
        release: Release | None = None,
    ) -> None:
        """End a deploy; with `release`, in the same transaction, make it the service's active one."""
        ...  # fmt: skip

    def unfinished(self, service: str | None = None) -> list[DeployRecord]: ...

    def deploys(self, service: str | None = None, limit: int = 50) -> list[DeployRecord]:
        """Newest first."""
        ...

    def active(self, service: str) -> Release | None: ...

    def releases(self, service: str, limit: int = 50) -> list[Release]:
        """Newest first."""
        ...

    def services(self) -> list[str]:
        """Every service that has a release, a slot or an unfinished deploy."""
        ...

    def slots(self, service: str) -> dict[Color, Slot]: ...

    def all_slots(self) -> dict[str, dict[Color, Slot]]: ...

    def set_slots(self, service: str, slots: Mapping[Color, Slot]) -> None: ...

    def flags(self, service: str) -> ServiceFlags: ...

    def set_flags(self, service: str, flags: ServiceFlags) -> None: ...

    def forget(self, service: str) -> None:
        """Take away everything remembered of a service, its history included."""
        ...

    def prune(self, service: str, keep: int) -> list[Release]:
        """Forget releases past those of the newest `keep` images besides the active one, and return them."""
        ...


class Locks(Protocol):
    """flock(2) on the host: a lock dies with its holder."""

    def acquire(self, name: str, *, wait: float, purpose: str) -> AbstractContextManager[None]:
        """Hold `name` for the block. Raises LockedError, naming the holder, after `wait` seconds."""
        ...

    def held(self, name: str) -> bool: ...


class Secrets(Protocol):
    """Secret values by name. They are kept apart from every record, in files only the owner reads."""

    def resolve(self, names: tuple[str, ...]) -> dict[str, str]:
        """From the environment, else from .bgmon/secrets. Raises UsageError naming what is missing."""
        ...

    def keep(self, deploy: str, values: Mapping[str, str]) -> None: ...

    def kept(self, deploy: str) -> dict[str, str] | None:
        """The values a release was deployed with; None when they were not kept."""
        ...

    def drop(self, deploy: str) -> None: ...


class Hooks(Protocol):
    def run(self, name: str, environ: Mapping[str, str], *, timeout: float) -> str | None:
        """Run .bgmon/hooks/`name`; its output, or None when there is no such hook. Raises HookFailed."""
        ...

    def check(self) -> list[str]:
        """What is wrong with the hooks that exist, a line each."""
        ...


class Host(Protocol):
    """Facts about this host."""

    def port_free(self, port: int) -> bool:
        """Whether 127.0.0.1:`port` can be bound now."""
        ...

    def port_candidates(self, low: int, high: int) -> Iterator[int]:
        """All ports of the range, in an order that seldom clashes."""
        ...

    def address_of(self, interface: str) -> str:
        """The IPv4 address of one of this host's interfaces; empty when there is none."""
        ...

    def way_to(self, address: str, bridge: str) -> str:
        """Why this host does not reach `address` through its own bridge of that name; empty when it does."""
        ...

    def routes(self) -> list[tuple[str, str]]:
        """IPv4 subnets that this host has a route to, but for the default one, with the interface that leads there."""
        ...

    def disk_free(self, path: str) -> int | None:
        """Free bytes of the file system that holds `path`; None when it is not on this host."""
        ...

    def listening_ports(self, pid: int) -> tuple[int, ...]:
        """TCP ports on which something listens in the network namespace of `pid`; empty when that can't be told."""
        ...
