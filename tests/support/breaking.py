"""A service, in a process of its own, that breaks in the way its path names, and writes down every arrival first."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

BREAKS = {
    "/dropped": b"",
    "/half-a-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "/half-a-body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "/junk": b"\x16\x03\x01 this is no HTTP\r\n\r\n",
    "/crash": None,
}
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def serve(port: int, journal: Path) -> None:
    """One request at a time, until the process ends. The proxy's health checks are answered and not written down."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (more := connection.recv(65536)):
                    head += more
                if not head:
                    continue
                method, path, _ = head.decode("latin-1").split(" ", 2)
                if b"user-agent: bgmon\r\n" not in head.lower():
                    with journal.open("a") as file:
                        file.write(f"{method} {path}\n")
                answer = BREAKS.get(path, _OK)
                if answer is None:
                    os._exit(1)
                connection.sendall(answer)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
