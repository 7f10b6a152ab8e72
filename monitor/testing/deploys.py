"""What a deploy asks of its host, in memory: ports, hooks, health answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from monitor.domain.deploy.spec import HealthPolicy
from monitor.domain.health.probing import ProbeAnswer
from monitor.errors import HookFailed

_GOOD = ProbeAnswer(status=200, body="ok", seconds=0.001)


class FakeHost:
    """The Host port.

    Attributes:
        taken: ports that another program listens on.
        free: bytes on every file system; None for "not on this host".
        listening: what `listening_ports` says of every process.
        no_way: why containers' addresses cannot be reached, if so.
    """

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.free: int | None = 10**12
        self.listening: tuple[int, ...] = ()
        self.no_way = ""

    def routes(self) -> list[tuple[str, str]]:
        return []

    def address_of(self, interface: str) -> str | None:
        del interface
        return "10.201.0.1"

    def way_to(self, address: str, bridge: str) -> str:
        """Every container is on this host."""
        del address, bridge
        return self.no_way

    def port_free(self, port: int) -> bool:
        return port not in self.taken

    def port_candidates(self, low: int, high: int) -> Iterator[int]:
        return iter(range(low, high + 1))

    def disk_free(self, path: str) -> int | None:
        del path
        return self.free

    def listening_ports(self, pid: int) -> tuple[int, ...]:
        del pid
        return self.listening


class FakeHooks:
    """The Hooks port.

    Attributes:
        hooks: by name, what a hook prints; an exception is raised.
        problems: what `check` says.
        ran: (name, environment) of every hook that ran.
        timeouts: how long each was given at last, by name.
    """

    def __init__(self) -> None:
        self.hooks: dict[str, str | HookFailed] = {}
        self.problems: list[str] = []
        self.ran: list[tuple[str, Mapping[str, str]]] = []
        self.timeouts: dict[str, float] = {}

    def run(self, name: str, environ: Mapping[str, str], *, timeout: float) -> str | None:
        self.timeouts[name] = timeout
        found = self.hooks.get(name)
        if found is None:
            return None
        self.ran.append((name, dict(environ)))
        if isinstance(found, HookFailed):
            raise found
        return found

    def check(self) -> list[str]:
        return self.problems


class FakeProber:
    """The Prober port. `answer` gives what is answered at an address and port; without one everything is healthy."""

    def __init__(self) -> None:
        self.answer: Callable[[str, int], ProbeAnswer] = lambda *_: _GOOD

    def probe(self, address: str, port: int, policy: HealthPolicy) -> ProbeAnswer:
        del policy
        return self.answer(address, port)
