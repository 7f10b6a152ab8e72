"""Hosts in memory: what a command prints there is a function of the test's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitor.ports.hosts import OnPiece
from monitor.ports.shells import Answer

OnRun = Callable[[str, Sequence[str], OnPiece, threading.Event], int]


@dataclass
class FakeHosts:
    """`answer` is what happens on a host; `ran` are the calls, in the order in which they began."""

    answer: OnRun
    ran: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    jobs: dict[tuple[str, str], int | None] = field(default_factory=dict)

    def run(
        self,
        host: str,
        argv: Sequence[str],
        on_piece: OnPiece,
        *,
        services: Sequence[str] = (),
        job: str | None = None,
        stop: threading.Event | None = None,
        adopt: bool = False,
    ) -> int:
        del services, adopt
        self.ran.append((host, tuple(argv)))
        code = self.answer(host, argv, on_piece, stop or threading.Event())
        if job is not None:
            self.jobs[host, job] = code
        return code

    def follow(self, host: str, job: str, on_piece: OnPiece) -> int | None:
        del on_piece
        return self.jobs.get((host, job))


@dataclass
class FakeShell:
    """A shell whose host is a function of the test's: the script, what it reads and whether it is root's."""

    host: Callable[[str, bytes, bool], Answer]
    ran: list[tuple[str, bool]] = field(default_factory=list)
    renewed: int = 0

    def run(self, script: str, data: bytes = b"", *, root: bool = False) -> Answer:
        self.ran.append((script, root))
        return self.host(script, data, root)

    def renew(self) -> None:
        self.renewed += 1
