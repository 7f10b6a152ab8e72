"""What a service is to be: plain policies, handed down by config and recorded with every release.

All durations are seconds, all sizes bytes, all shares lie between 0 and 1. Field names equal those of bgmon.yml.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

AUTO: Final = "auto"  # as a route's `tls`: a certificate by ACME for each of its hosts
HealthMode = Literal["auto", "http", "docker", "running"]
DeployOrder = Literal["start-first", "stop-first"]


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """How to tell that a container serves. `path` None lets Docker's HEALTHCHECK decide where the image has one.

    Where `variables` names secrets, `path` and the values of `headers` are texts with `${VAR}` in them: see sealing.py.
    """

    mode: HealthMode = "auto"
    path: str | None = None
    scheme: Literal["http", "https"] = "http"
    interval: float = 1.0
    timeout: float = 2.0
    successes: int = 2
    failures: int = 3
    start: float = 60.0
    settle: float = 5.0
    status: tuple[str, ...] = ("200",)
    headers: dict[str, str] = field(default_factory=dict)
    expect_headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryTimeouts:
    """Of a route; None leaves the proxy's own."""

    server: float | None = None
    tunnel: float | None = None


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """A public entry: requests for `host` under `path`.

    `redirect` sends requests for the further hosts to the first; `allow` are networks; `basic_auth` are hashes by user.
    """

    host: tuple[str, ...] = ()
    path: str = "/"
    strip: bool = False
    tls: TlsFiles | Literal["auto"] | None = None
    max_body: int | None = None
    timeouts: EntryTimeouts = EntryTimeouts()
    headers: dict[str, str] = field(default_factory=dict)
    redirect: bool = False
    allow: tuple[str, ...] = ()
    basic_auth: dict[str, str] = field(default_factory=dict)
    compress: bool = False


@dataclass(frozen=True, slots=True)
class TlsFiles:
    cert: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class CanaryStep:
    """`weight` percent of the traffic goes to green for `for_` seconds."""

    weight: int
    for_: float


@dataclass(frozen=True, slots=True)
class BakePolicy:
    """How long, and by what, green is judged while blue still runs.

    Green regresses when its 5xx share exceeds blue's before the swap by more than `max_error_increase`, or exceeds
    `max_error_rate`, once it has answered `min_requests`; when its p95 exceeds `max_p95`; when its output has more
    lines of an event than `max_events` allows; when it exits; or when its health is lost.
    """

    for_: float = 30.0
    max_error_increase: float = 0.05
    max_error_rate: float | None = None
    max_p95: float | None = None
    min_requests: int = 20
    max_events: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """In which order the hosts of a service are deployed to.

    `parallel` at a time, `pause` between them; `first` alone before all others, and watched for `bake`.
    """

    order: Literal["rolling"] = "rolling"
    parallel: int = 1
    pause: float = 0.0
    on_failure: Literal["stop", "rollback"] = "stop"
    first: str | None = None
    bake: float = 0.0


@dataclass(frozen=True, slots=True)
class ReleaseCommand:
    """What runs once, in the new image, before anything of it is started."""

    command: tuple[str, ...]
    timeout: float = 600.0


@dataclass(frozen=True, slots=True)
class DeployPolicy:
    """`order` stop-first: requests wait, `wait` at most, while one version stops and the other starts."""

    order: DeployOrder = "start-first"
    wait: float = 20.0
    bake: BakePolicy = BakePolicy()
    canary: tuple[CanaryStep, ...] = ()
    drain: float = 30.0
    stop: float = 10.0
    keep_images: int = 5
    hook_timeout: float = 300.0
    release: ReleaseCommand | None = None
    hosts: RolloutPolicy = RolloutPolicy()


@dataclass(frozen=True, slots=True)
class HealPolicy:
    enabled: bool = True
    rollback_window: float = 600.0
    budget: int = 5
    budget_window: float = 600.0


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Rotation of the container's json-file log."""

    max_size: int = 10 * 1024 * 1024
    max_files: int = 3


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    name: str
    image: str
    port: int | None = None
    hosts: tuple[str, ...] = ()
    route: tuple[RouteSpec, ...] = ()
    internal: str | None = None
    health: HealthPolicy = HealthPolicy()
    limits: Limits = Limits()
    env: dict[str, str] = field(default_factory=dict)
    sealed: dict[str, str] = field(default_factory=dict)  # env with secrets in it, as bgmon.yml has it: see sealing.py
    secrets: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str | None = None
    read_only: bool = False
    init: bool = True
    depends_on: tuple[str, ...] = ()
    docker: dict[str, Any] = field(default_factory=dict)
    log_files: LogFiles = LogFiles()
    deploy: DeployPolicy = DeployPolicy()
    heal: HealPolicy = HealPolicy()
    keeps_data: bool = False  # what its volumes hold is not to be had again: an accessory

    @property
    def proxied(self) -> bool:
        """Whether the proxy carries its traffic; a worker without a port is swapped without one."""
        return self.port is not None
