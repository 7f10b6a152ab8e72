"""The runtime API: text commands over HAProxy's Unix sockets.

Source: HAProxy Management Guide, sections 9.3 (Unix Socket commands) and 9.4 (Master CLI). A line may hold several
commands parted by semicolons; each answers with its text and an empty line, and a command that changes something
answers with nothing when it worked.
"""

from __future__ import annotations

import csv
import logging
import os
import re
import socket
import time
from pathlib import Path
from typing import Final

from monitor.domain.digits import digits
from monitor.errors import ProxyError, ProxyUnreachable

log = logging.getLogger(__name__)

TIMEOUT: Final = 5.0
_AGAIN: Final = 0.02
LONGEST_PAYLOAD: Final = 16000
_MAX_COMMANDS: Final = 12000  # bytes of one line; HAProxy's buffer takes 16384


class RuntimeSocket:
    """One of the sockets, by folder and name. Each call is a connection of its own, so it survives any reload.

    Args:
        folder: where it is.
        name: its file.
        timeout: seconds for each exchange.
        patience: seconds to try again while nothing accepts; the master does not while it starts itself over.
    """

    def __init__(self, folder: Path, name: str, *, timeout: float = TIMEOUT, patience: float = 0.0) -> None:
        self._folder = folder
        self._name = name
        self._timeout = timeout
        self._patience = patience

    def ask(self, *commands: str) -> str:
        """The answers to all commands, in order.

        Raises:
            ProxyUnreachable: nothing listens, or the answer did not come in time. Whether the commands took effect
                is then unknown.
        """
        line = "; ".join(commands)
        assert len(line) < _MAX_COMMANDS, "split it"
        assert "\n" not in line
        log.debug("proxy: %s", line)
        return self._carefully(f"{line}\n".encode())

    def _carefully(self, data: bytes) -> str:
        try:
            return self._patiently(data)
        except TimeoutError:
            raise ProxyUnreachable(
                f"the proxy did not answer within {self._timeout:g} s on {self._folder / self._name}"
            ) from None
        except OSError as error:
            raise ProxyUnreachable(
                f"the proxy does not answer on {self._folder / self._name}: {error.strerror}",
                hint="start it with: bgmon proxy boot",
            ) from None

    def tell(self, *commands: str) -> None:
        """Commands that change something, in one round trip.

        Raises:
            ProxyError: with what HAProxy said.
            ProxyUnreachable: as for `ask`.
        """
        said = self.ask(*commands).strip()
        if said:
            raise ProxyError(f"the proxy refused: {' '.join(said.split())}")

    def load(self, command: str, payload: str) -> str:
        """A command that takes lines of text, none of them empty; they are not logged. Raises as `ask`."""
        lines = "\n".join(line for line in payload.splitlines() if line.strip())
        assert len(command) + len(lines) < LONGEST_PAYLOAD
        log.debug("proxy: %s <<", command)
        return self._carefully(f"{command} <<\n{lines}\n\n".encode())

    def _patiently(self, data: bytes) -> str:
        until = time.monotonic() + self._patience
        while True:
            try:
                return self._exchange(data)
            except ConnectionRefusedError:
                if time.monotonic() >= until:
                    raise
            time.sleep(_AGAIN)

    def _exchange(self, data: bytes) -> str:
        # Through the folder's descriptor, since a Unix socket's path may be 107 bytes long at most.
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(self._timeout)
                connection.connect(f"/proc/self/fd/{folder}/{self._name}")
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                chunks = []
                while chunk := connection.recv(65536):
                    chunks.append(chunk)
        finally:
            os.close(folder)
        return b"".join(chunks).decode(errors="replace")


def table(text: str) -> list[dict[str, str]]:
    """`show stat`: comma-separated, the heading marked by `# `."""
    lines = [line for line in text.removeprefix("# ").splitlines() if line]
    return list(csv.DictReader(lines))


def columns(text: str) -> list[dict[str, str]]:
    """`show servers state`: a version line, a heading marked by `# `, and values parted by spaces."""
    lines = [line for line in text.splitlines() if line]
    heading = next((line.removeprefix("# ").split() for line in lines if line.startswith("# ")), [])
    rows = [line.split() for line in lines if line[0] != "#" and " " in line]
    return [dict(zip(heading, row, strict=False)) for row in rows]


def pairs(text: str) -> dict[str, str]:
    """`show info`: `Name: value` lines."""
    parted = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, colon, value in parted if colon}


def workers(text: str) -> tuple[list[int], list[int]]:
    """`show proc` of the master: process ids of the current workers, and of old ones that still have connections."""
    current: list[int] = []
    old: list[int] = []
    into: list[int] = []
    for line in text.splitlines():
        if line.startswith("# "):
            into = {"# workers": current, "# old workers": old}.get(line.strip(), [])
        elif digits(line.partition(" ")[0]) and line.split()[1:2] == ["worker"]:
            into.append(int(line.split()[0]))
    return current, old


def failures(text: str) -> int:
    """`show proc`: how often the master failed to reload since it last succeeded."""
    match = re.search(r"\[failed: (\d+)\]", text)
    return int(match[1]) if match else 0
