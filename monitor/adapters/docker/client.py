"""Connections to the engine: which one, which version of its API, how long to wait."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

import docker
import docker.errors
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool
from docker.utils import kwargs_from_env, version_lt

from monitor.adapters.docker.errors import border, one_line
from monitor.errors import UsageError

_POOL_SIZE = 16


class _UnixConnection(UnixHTTPConnection):  # type: ignore[misc]  # the SDK has no type hints
    """The SDK's own leaks its socket when nobody listens."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_socket)


class _Pool(UnixHTTPConnectionPool):  # type: ignore[misc]
    def _new_conn(self) -> _UnixConnection:
        return _UnixConnection(self.base_url, self.socket_path, self.timeout)


class _OnePool(UnixHTTPAdapter):  # type: ignore[misc]
    """The SDK keeps a connection pool for every URL and closes the oldest, maybe under another thread's feet."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, timeout)
        self._pool = _Pool("http+docker://localhost", self.socket_path, timeout, maxsize=_POOL_SIZE)

    def get_connection(self, _url: str, proxies: Any = None) -> _Pool:
        del proxies
        return self._pool

    def close(self) -> None:
        self._pool.close()


class Connection:
    """Makes API clients. The engine is looked for at first use, and again until it answers.

    Args:
        url: the engine's address; None obeys DOCKER_HOST, DOCKER_CONTEXT and Docker's own config, in that order.
        timeout: seconds to wait for an answer; streams are exempt.
    """

    def __init__(self, url: str | None, *, timeout: float) -> None:
        self._options = _endpoint(url)
        self.url: str = self._options.get("base_url") or "unix:///var/run/docker.sock"
        self.timeout = timeout
        self.version: Mapping[str, Any] = {}  # what the engine said of itself when it was connected to last
        self._lock = threading.Lock()
        self._client: docker.APIClient | None = None

    @property
    def client(self) -> docker.APIClient:
        """The shared client; safe to use from several threads. Raises EngineUnreachable."""
        with self._lock:
            known = self._client
        if known is not None:
            return known
        made = self.connect()  # not under the lock: `close` must not wait for an engine that hangs
        with self._lock:
            known = self._client
            self._client = made if known is None else known
        if known is None:
            return made
        made.close()
        return known

    def connect(self) -> docker.APIClient:
        """A new client with connections of its own, speaking the newest API that both sides know."""
        with border("connecting", engine=self.url):
            client = self._make(DEFAULT_DOCKER_API_VERSION)
            try:
                version = client.version(api_version=False)
                spoken = str(version["ApiVersion"])
            except BaseException:
                client.close()
                raise
            if version_lt(spoken, DEFAULT_DOCKER_API_VERSION):
                client.close()
                client = self._make(spoken)
            self.version = version
            return client

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _make(self, version: str) -> docker.APIClient:
        try:
            client = docker.APIClient(version=version, timeout=self.timeout, **self._options)
        except (docker.errors.InvalidConfigFile, ValueError) as error:  # it reads the logins, needed or not
            raise UsageError(
                f"Docker's own config.json is wrong: {one_line(str(error))}", hint="docker login"
            ) from error
        client.trust_env = False  # no proxy, no .netrc: the engine is addressed as told
        if self.url.startswith(("unix://", "http+unix://")):
            address = "http+unix://" + self.url.partition("://")[2]
            client.mount("http+docker://", _OnePool(address, self.timeout))
        return client


def _endpoint(url: str | None) -> dict[str, Any]:
    """Where the engine is, by the docker command's own order of precedence."""
    try:
        options: dict[str, Any] = kwargs_from_env()
        if url is not None:
            return {**options, "base_url": url}
        if options.get("base_url"):
            return options
        name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
        context = ContextAPI.get_context(name)
    except docker.errors.DockerException as error:
        raise UsageError(f"Docker's own settings: {error}", hint="look at: docker context ls") from error
    if context is None:
        raise UsageError(f"Docker context {name!r} does not exist", hint="look at: docker context ls")
    if context.name == "default":
        return options
    options = {"base_url": context.Host}
    if context.TLSConfig is not None:
        options["tls"] = context.TLSConfig
    return options
