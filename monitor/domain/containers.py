"""Containers, images and engine events as plain data, so that decisions need no Docker library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from monitor.domain.names import LABEL_COLOR, LABEL_DEPLOY, LABEL_PROJECT, LABEL_SERVICE, LABEL_VERSION
from monitor.domain.proxy.reach import LOOPBACK

ContainerState = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """Everything the engine needs to create a container. `env` holds secret values and is therefore never shown."""

    name: str
    image: str
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    publish: Mapping[int, tuple[str, int]] = field(default_factory=dict)  # container port -> (host address, host port)
    command: tuple[str, ...] = ()
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None
    restart: str = "unless-stopped"
    volumes: tuple[str, ...] = ()
    network: str | None = None  # None is Docker's default bridge; "host" is the host's own
    address: str | None = None  # on `network`, whose subnet its maker must have chosen; None lets the engine choose
    user: str | None = None
    read_only: bool = False
    init: bool = True
    log_max_size: int = 10 * 1024 * 1024
    log_max_files: int = 3
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The last run of an image's HEALTHCHECK; exit code -1 stands for one that took too long."""

    exit_code: int
    output: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """What the engine says of a container. Times are unix seconds, None where the engine has none."""

    id: str
    name: str
    image: str
    image_id: str
    labels: Mapping[str, str]
    state: ContainerState
    health: Literal["starting", "healthy", "unhealthy"] | None = None
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    restarts: int = 0
    restart_policy: str = "no"
    pid: int = 0
    ports: Mapping[int, int] = field(default_factory=dict)  # container port -> host port
    networks: tuple[str, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)  # IPv4 by network, while it runs
    mounts: tuple[str, ...] = ()  # folders of the host
    check: CheckResult | None = None  # None before the first run of a HEALTHCHECK, and without one

    @property
    def project(self) -> str:
        return self.labels.get(LABEL_PROJECT, "")

    @property
    def service(self) -> str:
        return self.labels.get(LABEL_SERVICE, "")

    @property
    def color(self) -> str:
        return self.labels.get(LABEL_COLOR, "")

    @property
    def version(self) -> str:
        return self.labels.get(LABEL_VERSION, "")

    @property
    def deploy(self) -> str:
        return self.labels.get(LABEL_DEPLOY, "")

    @property
    def running(self) -> bool:
        return self.state == "running"

    def has(self, address: str) -> bool:
        """Whether what answers at that address of a network is this container; a published port is always its own."""
        return address == LOOPBACK or address in self.addresses.values()


@dataclass(frozen=True, slots=True)
class Network:
    """What the engine says of a network.

    `members` are the ids of running containers on it, `holders` the same by their IPv4 address. `bridge` is the name of
    its interface on the engine's host; `chosen` says that bgmon chose its subnet, so that addresses may be given at
    wish.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    internal: bool
    subnets: tuple[str, ...] = ()
    members: frozenset[str] = frozenset()
    holders: Mapping[str, str] = field(default_factory=dict)
    bridge: str = ""
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]  # repository@sha256:..., empty for an image that no registry has seen
    architecture: str
    size: int
    healthcheck: bool = False
    exposed_ports: tuple[int, ...] = ()
    entrypoint: tuple[str, ...] = ()
    created_at: float | None = None


# First programs of an entry point that are an init themselves. Some of them (s6-overlay) end at once unless they are
# pid 1, and none of them needs another one above it.
_INITS: Final = frozenset({
    "init", "s6-svscan", "s6-overlay-suexec", "tini", "tini-static", "dumb-init", "catatonit", "docker-init", "my_init",
    "runsvdir", "runit", "runit-init", "systemd", "pid1",
})  # fmt: skip


def brings_init(image: Image, wanted: ContainerSpec) -> bool:
    """Whether the first program of the container is an init of the image's own, which ours must not stand above."""
    given = wanted.extra.get("entrypoint")
    first = image.entrypoint if given is None else given.split() if isinstance(given, str) else tuple(given)
    program = first or wanted.command
    return bool(program) and str(program[0]).rpartition("/")[2] in _INITS


@dataclass(frozen=True, slots=True)
class EngineInfo:
    version: str
    architecture: str
    root_dir: str
    memory: int
    containers: int
    live_restore: bool


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """One event of the engine's stream; `at` is in unix seconds, `at_ns` is what `since` takes."""

    action: str
    container_id: str
    name: str
    labels: Mapping[str, str]
    at: float
    at_ns: int
    exit_code: int | None = None
    signal: str = ""


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull has come, over all layers."""

    status: str
    current: int
    total: int


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """What a container uses: bytes without reclaimable cache, their limit (the host's memory without one), CPU time."""

    memory: int
    memory_limit: int
    cpu_seconds: float
