"""What the two ways to run HAProxy have in common."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Protocol

from monitor.render.haproxy import ADMIN_SOCKET, CONFIG, MASTER_SOCKET

RUN: Final = "BGMON_PROXY_RUN"
_NOISE: Final = re.compile(r"^\[NOTICE\]|^\[WARNING\]|^Warnings were found|^Configuration file is valid|FD limit")


class Runner(Protocol):
    """Each call raises ProxyError when HAProxy cannot be run, and what the engine raises in a container."""

    def check(self, folder: Path) -> str:
        """What HAProxy has against the configuration in `folder`; empty when it takes it."""
        ...

    def start(self) -> None:
        """Start it, detached from us. It may still fail to listen: `complaints` then says why."""
        ...

    def alive(self) -> bool: ...

    def mark(self) -> None:
        """Let `complaints` begin here."""
        ...

    def complaints(self) -> str:
        """Why it ended or did not reload, in HAProxy's words, since it started or `mark` was called."""
        ...

    def stop(self) -> None: ...

    def outdated(self) -> bool:
        """Whether what runs is another program or image than would be started now."""
        ...

    def replace(self) -> str:
        """Start anew beside the running one, on its listening sockets.

        The value of RUN in the environment of what was started: only it tells the new one from the one before, which
        answers on the same socket with the same configuration until the new one has taken over.
        """
        ...

    def retire(self) -> None:
        """After `replace`: let the one before finish what it has under way, and go."""
        ...


def arguments(binary: str, folder: Path) -> tuple[str, ...]:
    """Master-worker mode in the foreground. All paths are relative to the folder, however long its own path is."""
    return (binary, "-W", "-db", "-S", f"unix@{MASTER_SOCKET},mode,600", "-C", str(folder), "-f", CONFIG)


def takeover_arguments(binary: str, folder: Path) -> tuple[str, ...]:
    """As `arguments`, taking the listening sockets over from whoever answers on the admin socket, if anybody does."""
    return (*arguments(binary, folder), "-x", ADMIN_SOCKET)


def check_arguments(binary: str, folder: Path) -> tuple[str, ...]:
    return (binary, "-c", "-C", str(folder), "-f", CONFIG)


def words(output: str) -> str:
    """The lines of HAProxy's output that say what is wrong, without the access log and the notices."""
    lines = [re.sub(r"^\[ALERT\]\s+\(\d+\) : ", "", line.strip()) for line in output.splitlines()]
    kept = [line for line in lines if line and not line.startswith("{") and not _NOISE.match(line)]
    return "\n".join(kept[-12:])
