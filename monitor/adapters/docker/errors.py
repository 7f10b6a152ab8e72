"""The border: whatever the docker SDK, requests, urllib3 and sockets raise becomes one of bgmon's errors here."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import requests.exceptions
import urllib3.exceptions

from monitor.errors import BgmonError, Conflict, EngineError, EngineUnreachable, NotFound

log = logging.getLogger(__name__)

_UNREACHABLE = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    OSError,
)
_TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
# What the engine says when a published port is taken: by another container, or by any other process.
_POOLS_EXHAUSTED = ("non-overlapping ipv4 address pool", "all predefined address pools")
_PORT_TAKEN = ("port is already allocated", "address already in use", "ports are not available")
OTHER_VERSION = "client version"
# (part of the engine's message, what to do next)
_HINTS = (
    ("executable file not found", "the command does not exist in the image; check `command` and `docker.entrypoint`"),
    ("permission denied: unknown", "the command is not executable in the image"),
    ("no such file or directory: unknown", "the command, or its interpreter, does not exist in the image"),
    # since runc 1.3, as in Docker 28
    ("during container init: exec:", "the command, or its interpreter, does not exist in the image"),
    ("invalid mount config", "the host path under `volumes` does not exist on this host"),
    ("no space left on device", "free space where Docker keeps its data: bgmon prune, docker system prune"),
    ("no available ipv4 addresses", "the network is full: remove containers from it, or services from the project"),
    ("pid namespace", "check `docker.pid_mode`"),
    (OTHER_VERSION, "the engine was exchanged for another version: try again"),
)


@contextmanager
def border(doing: str, *, engine: str) -> Iterator[None]:
    """Translate whatever the block raises; `doing` is what bgmon was at, as in "starting shop-core-green"."""
    began = time.monotonic()
    try:
        yield
        log.debug("engine: %s: %.1f ms", doing, 1000 * (time.monotonic() - began))
    except BgmonError:
        raise
    except Exception as error:
        log.debug("engine: %s: %s", doing, type(error).__name__)
        raise translate(error, doing, engine=engine) from error


def translate(error: Exception, doing: str, *, engine: str) -> BgmonError:
    """The error a user can act on. The text never holds request bodies, which carry secrets."""
    if isinstance(error, docker.errors.APIError):
        return _refused(error, doing)
    if isinstance(error, docker.errors.DockerException):
        inner = _inner(error)
        if isinstance(inner, _UNREACHABLE):
            return unreachable(inner, doing, engine=engine)
        return EngineError(f"{doing}: {one_line(str(error))}")
    if isinstance(error, _UNREACHABLE):
        return unreachable(error, doing, engine=engine)
    return EngineError(f"{doing}: {type(error).__name__}: {one_line(str(error))}")


def unreachable(error: BaseException, doing: str, *, engine: str) -> EngineUnreachable:
    """Why nothing came back, and what to do about it."""
    causes = list(_chain(error))
    if timed_out(error):
        return EngineUnreachable(
            f"{doing}: the Docker engine at {engine} did not answer in time",
            hint="look at its log: journalctl -u docker",
        )
    if any(isinstance(cause, PermissionError) for cause in causes):
        return EngineUnreachable(
            f"{doing}: not allowed to talk to the Docker engine at {engine}",
            hint="run bgmon as root, or add this user to the group docker and log in again",
        )
    if any(isinstance(cause, FileNotFoundError | ConnectionRefusedError) for cause in causes):
        return EngineUnreachable(
            f"{doing}: no Docker engine listens at {engine}",
            hint="start it (systemctl start docker), or point DOCKER_HOST to it",
        )
    return EngineUnreachable(
        f"{doing}: the connection to the Docker engine at {engine} broke: {one_line(str(causes[-1]))}",
        hint="look at its log: journalctl -u docker",
    )


def timed_out(error: BaseException) -> bool:
    """Whether it comes of nobody answering for too long."""
    return any(isinstance(cause, _TIMEOUTS) for cause in _chain(error))


def says_port_taken(message: str) -> bool:
    return any(part in message.lower() for part in _PORT_TAKEN)


def says_pools_exhausted(message: str) -> bool:
    """Whether the engine has no address pool left for another network."""
    return any(part in message.lower() for part in _POOLS_EXHAUSTED)


def explain(error: docker.errors.APIError) -> str:
    """The engine's own words."""
    return one_line(str(error.explanation or error))


def _refused(error: docker.errors.APIError, doing: str) -> EngineError:
    said = explain(error)
    message = f"{doing}: {said}"
    if isinstance(error, docker.errors.NotFound):
        # A start answers 404 for a command that the image lacks, and the container is there.
        if not any(part in said for part, _ in _HINTS):
            return NotFound(message)
    elif says_port_taken(said):
        return Conflict(message, hint="another container or process has that port; see: ss -ltnp")
    elif error.status_code == requests.codes.conflict:
        return Conflict(message)
    return EngineError(message, hint=hint_for(said))


def hint_for(said: str) -> str:
    return next((hint for part, hint in _HINTS if part in said.lower()), "")


def _inner(error: BaseException) -> BaseException | None:
    """The error that the SDK wrapped into one of its own."""
    return error.__cause__ or error.__context__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it came from, through `raise from`, handlers, and errors kept as arguments."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        reasons = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting.extend(reason for reason in reasons if isinstance(reason, BaseException))


def one_line(text: str) -> str:
    return " ".join(text.split())
