"""A shell on another machine that may know nothing of bgmon yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """How a script ended: its exit code, and the last of what it said."""

    code: int
    out: str = ""
    err: str = ""


class Shell(Protocol):
    """One host's."""

    def run(self, script: str, data: bytes = b"", *, root: bool = False) -> Answer:
        """Run a script of sh's to its end.

        Args:
            script: is seen in the host's list of processes, so it holds no secret.
            data: what it reads from standard input, which nobody else sees.
            root: as root, by sudo when the user is another one.

        Raises:
            UnreachableError: the host cannot be reached.
            UsageError: sudo wants a password, and there is none.
        """
        ...

    def renew(self) -> None:
        """Connect anew next time, for what a user is given only when he logs in."""
        ...
