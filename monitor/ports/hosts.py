"""Commands of bgmon on the hosts of a project."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

OnPiece = Callable[[str, str], None]
"""Is told `out` or `err`, and a piece of what the command printed there: a line, its newline included."""


class Hosts(Protocol):
    """Every call may be made from a thread of its own."""

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
        """Run a command to its end; its exit code.

        Args:
            host: by its name under `hosts`.
            argv: the command, without `bgmon`.
            on_piece: is told what it prints.
            services: those whose secrets it needs.
            job: a name that makes the command outlive a lost connection; the same name runs it once.
            stop: when it is set, the command is asked to come to an orderly end.
            adopt: bgmon.yml and the hooks stay on the host, as a deploy leaves them.

        Raises:
            UnreachableError: the host cannot be reached, or was silent for too long.
            UsageError: the host's bgmon is older than this one.
        """
        ...

    def follow(self, host: str, job: str, on_piece: OnPiece) -> int | None:
        """What a job printed, and goes on printing; its exit code, None when that host has no such job.

        Raises UnreachableError.
        """
        ...
