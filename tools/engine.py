"""The Docker engine that the demo and the tests use: the machine's own when it answers, else a private one.

The private engine lives under .engine/ of this checkout with its own socket, data root, pid file and bridge, so that
it touches no other engine. Standard library alone: this runs before any package is installed.
"""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".engine"
IDENTITY = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
DEFAULT_SOCKET = "/var/run/docker.sock"
LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes, and the engine adds to it


def socket_path() -> Path:
    """Of the private engine: under .engine/, or in /run for a checkout whose path is too long for a unix socket."""
    near = FOLDER / "docker.sock"
    return near if len(str(near)) <= LONGEST_SOCKET_PATH else Path(f"/run/bgmon-{IDENTITY}/docker.sock")


def answers(url: str, timeout: float = 5.0) -> bool:
    """Whether an engine says OK to a ping. TLS addresses are not looked into and count as an answer."""
    scheme, _, address = url.partition("://")
    if scheme == "unix":
        family, target = socket.AF_UNIX, address
    elif scheme in ("tcp", "http") and not os.environ.get("DOCKER_TLS_VERIFY"):
        host, _, port = address.partition(":")
        family, target = socket.AF_INET, (host, int(port or 2375))
    else:
        return scheme in ("tcp", "https", "ssh")
    with socket.socket(family) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(target)
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def find() -> str | None:
    """URL of an engine that answers: DOCKER_HOST, else the machine's own, else this checkout's private one."""
    given = os.environ.get("DOCKER_HOST")
    candidates = [given] if given else [f"unix://{DEFAULT_SOCKET}", f"unix://{socket_path()}"]
    return next((url for url in candidates if answers(url)), None)
