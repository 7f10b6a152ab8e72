"""Commands that run in a container: what they print and how they end."""

from __future__ import annotations

import docker

from monitor.adapters.docker.logs import frames
from monitor.adapters.docker.stream import request


def run(client: docker.APIClient, ref: str, command: tuple[str, ...], *, user: str | None) -> tuple[int, bytes]:
    """The exit code, and both output streams in the order they came in. Waits as long as the command runs.

    The answer is read as the body it is. The SDK asks for an upgrade instead and then reads the socket past the buffer
    of its HTTP client: output that came together with the answer's head is lost there, without a word.
    """
    made = client.exec_create(ref, list(command), user=user or "")["Id"]
    start = {"Detach": False, "Tty": False}
    with request(client, "POST", f"/exec/{made}/start", json=start, read_timeout=None) as response:
        output = b"".join(frame for _, frame in frames(bytearray(response.content)))
    return client.exec_inspect(made)["ExitCode"], output
