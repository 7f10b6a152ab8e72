"""The Docker engine, as services need it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

from monitor.domain.containers import (
    Container,
    ContainerSpec,
    ContainerStats,
    EngineEvent,
    EngineInfo,
    Image,
    Network,
    PullProgress,
)


class LogLines(Iterator[bytes], Protocol):
    """Log lines; `close` from any thread ends them."""

    def close(self) -> None: ...


class Engine(Protocol):
    """Every call raises EngineUnreachable when the engine does not answer, EngineError when it says no.

    `ref` is a container's id or name. Calls are blocking and safe to make from several threads.
    """

    def info(self) -> EngineInfo: ...

    def pull(self, reference: str, progress: Callable[[PullProgress], None] | None = None) -> Image:
        """Pull with the credentials of Docker's own config. Raises PullFailed."""
        ...

    def image(self, reference: str) -> Image | None: ...

    def images(self, repository: str) -> list[Image]: ...

    def remove_image(self, reference: str) -> None:
        """Take away one name of an image, and the image with its last name; a digest takes its tags along.

        Raises Conflict while a container was made from that name, or from an image that would be gone. Raises NotFound.
        """
        ...

    def create(self, spec: ContainerSpec) -> Container:
        """Create without starting; raises Conflict when the name is taken."""
        ...

    def start(self, ref: str) -> None:
        """Raises Conflict when a published port is taken."""
        ...

    def stop(self, ref: str, timeout: float) -> None:
        """The stop signal, then SIGKILL after `timeout` seconds. A container that is gone or stopped is no error."""
        ...

    def restart(self, ref: str, timeout: float) -> None: ...

    def kill(self, ref: str, signal: str = "SIGKILL") -> None: ...

    def remove(self, ref: str) -> None:
        """Remove, by force; one that is gone is no error."""
        ...

    def rename(self, ref: str, name: str) -> None: ...

    def set_restart_policy(self, ref: str, policy: str) -> None: ...

    def inspect(self, ref: str) -> Container | None: ...

    def containers(self, labels: Mapping[str, str]) -> list[Container]:
        """All containers, running or not, that carry these labels; an empty value matches any."""
        ...

    def stats(self, ref: str) -> ContainerStats | None:
        """What it uses now, counted since its start; None when it does not run."""
        ...

    def oom_kills(self, container: Container) -> int | None:
        """How many processes the kernel killed in it for want of memory since its start, as it was inspected.

        None when it does not run, or when this host's kernel is not the engine's. Asks no engine.
        """
        ...

    def logs(
        self,
        ref: str,
        *,
        tail: int | None = None,
        since: float | None = None,
        until: float | None = None,
        follow: bool = False,
        timestamps: bool = False,
    ) -> LogLines:
        """Lines of stdout and stderr, oldest first, without their line ends. Raises NotFound.

        A line of more than 1 MiB loses what it has beyond that. With `timestamps`, each begins with an RFC 3339 time.
        """
        ...  # fmt: skip

    def exec(self, ref: str, command: tuple[str, ...], *, user: str | None = None) -> tuple[int, bytes]:
        """Exit code and output."""
        ...

    def top(self, ref: str) -> list[str]:
        """The processes inside, a line each."""
        ...

    def events(self, *, since: float | None, labels: Mapping[str, str]) -> Iterator[EngineEvent]:
        """Container events until the stream breaks or `close_events` is called; its end says nothing about why.

        The stream is open when this returns: whatever happens from then on will be in it.
        """
        ...

    def close_events(self) -> None: ...

    def ensure_network(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        internal: bool = False,
        subnet: str | None = None,
        avoid: Collection[str] = (),
    ) -> None:
        """Make a network unless it is there; an internal one has no way out, and no say in published ports.

        A new one gets a small subnet of its own, so that containers may be given addresses at wish: `subnet`, or one
        that overlaps no other network's and none of `avoid`. Raises EngineError with what to do when no address pool is
        left, Conflict when another network has `subnet` or this network has another one.
        """
        ...

    def network(self, name: str) -> Network | None: ...

    def has_volume(self, name: str) -> bool: ...

    def remove_network(self, name: str) -> None:
        """One that is gone is no error."""
        ...

    def connect(self, network: str, ref: str, aliases: tuple[str, ...], *, address: str | None = None) -> None:
        """Join a network under these names; one that has joined already only gets the names it lacks."""
        ...

    def realias(self, network: str, ref: str, aliases: tuple[str, ...]) -> None:
        """Give a connected container other names on the network, by joining it anew.

        It keeps its address where the network's subnet was chosen by whoever made it.
        """
        ...
