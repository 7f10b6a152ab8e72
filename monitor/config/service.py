"""The `services:` section: one service, from its image to its objectives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from monitor.config.base import MAX_PORT, Duration, Model, Name, Share, Size, Word, as_argv
from monitor.config.build import BuildSection, as_build
from monitor.config.entry import EntrySection
from monitor.config.logs import ServiceLogs
from monitor.config.spelled import as_written, plain
from monitor.config.tls import TlsSection, check_names

_SPLIT_HOST_PORT = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}$"
_ROUTE_HOST: Final = re.compile(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?|\*")
_VARIABLE: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_STATUSES: Final = re.compile("[1-5][0-9][0-9](?:-[1-5][0-9][0-9])?")

# What may stand under `docker:`, passed to the engine as it is. Anything bgmon decides itself is not among them.
DOCKER_OPTIONS = frozenset(
    {
        "cap_add", "cap_drop", "devices", "dns", "dns_search", "domainname", "entrypoint", "extra_hosts", "group_add",
        "hostname", "ipc_mode", "labels", "mem_reservation", "memswap_limit", "oom_score_adj", "pid_mode", "platform",
        "privileged", "runtime", "security_opt", "shm_size", "stop_signal", "storage_opt", "sysctls", "tmpfs",
        "ulimits", "userns_mode", "working_dir",
    }
)  # fmt: skip
# Of those, what the engine wants as numbers or booleans. All else is text there, and is passed on as it was written.
_NOT_TEXT = frozenset({"mem_reservation", "memswap_limit", "oom_score_adj", "privileged", "shm_size", "ulimits"})


# Editors must not mark `PORT: 8080`, which is taken as it is written.
WRITTEN: dict[str, Any] = {"type": ["string", "number", "boolean"]}


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | dict | int | float) else value


def as_text(value: object) -> object:
    """Environment values: what stands in the file, letter by letter."""
    if value is None:
        raise ValueError('has no value: write "" for an empty text, and quote "null" or "~" where the word is meant')
    return as_written(value)


def _as_bake(value: object) -> object:
    return value if isinstance(value, dict | BakeSection) else {"for": value}


def _as_heal(value: object) -> object:
    return {"enabled": value} if value in ("on", "off", True, False) else value


class RouteSection(EntrySection):
    host: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    """Host names; `*.example.com` takes every name below. None takes every host."""
    path: str = Field(default="/", pattern=r"^/[!-~]*$")
    """Path prefix; the longest match wins."""
    strip: bool = False
    """Take the prefix off before the service sees the path."""
    tls: TlsSection | Literal["auto"] | None = None
    """Certificate for these hosts: a file, or `auto`, which gets one for each of them by ACME."""

    @model_validator(mode="after")
    def _names_for_certificates(self) -> RouteSection:
        if self.tls == "auto":
            if not self.host:
                raise ValueError("tls: auto needs a host: a certificate is for a name")
            check_names(self.host)
        return self

    @field_validator("host")
    @classmethod
    def _names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _ROUTE_HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no host name, such as shop.example.com or *.example.com")
        return hosts

    @model_validator(mode="after")
    def _first_host(self) -> RouteSection:
        if self.redirect and (not self.host or self.host[0].startswith("*.")):
            raise ValueError("redirect needs a first host that is a name")
        return self


class HealthSection(Model):
    mode: Literal["auto", "http", "docker", "running"] = "auto"
    """`auto`: by HTTP when `path` is set or there is a port, by Docker's HEALTHCHECK when the image has one and no path
    is set, else by staying up for `settle`."""
    path: str | None = Field(default=None, pattern=r"^/[!-~]*$")
    """Where health is asked for by HTTP."""
    scheme: Literal["http", "https"] = "http"
    """`https` asks over TLS, whatever the certificate says."""
    interval: Duration = 1.0
    """Time between two probes; a new container is asked ten times a second at first."""
    timeout: Duration = 2.0
    """How long one probe may take in all."""
    successes: int = Field(default=2, ge=1, le=100)
    """Good answers in a row that make a service healthy."""
    failures: int = Field(default=3, ge=1, le=100)
    """Bad answers in a row that make it unhealthy."""
    start: Duration = 60.0
    """How long a new container may take until it is healthy, in every mode: a HEALTHCHECK with a longer start period of
    its own needs a longer one here."""
    settle: Duration = 5.0
    """How long a service without any health check must stay up to count as healthy."""
    status: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ("200",)
    """Statuses that count as healthy: `200`, or ranges such as `200-399`."""
    headers: dict[str, str] = {}
    """Headers to send, for instance `Host`."""
    expect_headers: dict[str, str] = {}
    """Headers that the answer must have, with these values."""
    body: str | None = None
    """Text that the answer must hold."""

    @field_validator("status")
    @classmethod
    def _ranges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            low, _, high = item.partition("-")
            if not _STATUSES.fullmatch(item) or int(low) > int(high or low):
                raise ValueError(f"{item!r} is no HTTP status (100 to 599) or range such as 200-399")
        return value


class LimitsSection(Model):
    memory: Size | None = Field(default=None, ge=6 * 1024 * 1024)
    """Hard limit; a container past it is killed."""
    cpus: float | None = Field(default=None, gt=0, le=4096)
    """CPU time a second, in cores."""
    pids: int | None = Field(default=None, ge=1)
    """Most processes and threads."""


class CanarySection(Model):
    weight: int = Field(ge=1, le=99)
    """Percent of new requests that go to green."""
    for_: Duration = Field(validation_alias=AliasChoices("for", "for_"), serialization_alias="for")
    """How long it stays at this weight."""


class BakeSection(Model):
    for_: Duration = Field(default=30.0, validation_alias=AliasChoices("for", "for_"), serialization_alias="for")
    """How long green is watched while blue still runs; `bake: 30s` is short for it."""
    max_error_increase: Share = 0.05
    """By how much green's 5xx share may exceed blue's before the swap."""
    max_error_rate: Share | None = None
    """Most 5xx that green may answer, whatever blue did."""
    max_p95: Duration | None = None
    """Slowest p95 out of the logs."""
    min_requests: int = Field(default=20, ge=1)
    """Fewer requests than this say nothing."""
    max_events: dict[str, Annotated[int, Field(ge=0)]] = {}
    """Most lines of its log for events of `logs.count`, for instance `{errors: 10}`."""


class RolloutSection(Model):
    order: Literal["rolling"] = "rolling"
    """One group of hosts after another."""
    parallel: int = Field(default=1, ge=1, le=100)
    """How many hosts are deployed to at the same time."""
    pause: Duration = 0.0
    """Time between one group and the next."""
    on_failure: Literal["stop", "rollback"] = "stop"
    """When a host fails: `stop` leaves the others as they are, `rollback` takes those that are done back, the last one
    first."""
    first: Name | None = None
    """This host alone before all others."""
    bake: Duration = 0.0
    """How long `first` is watched before the others follow."""

    @model_validator(mode="after")
    def _bake_of_the_first(self) -> RolloutSection:
        if self.bake and self.first is None:
            raise ValueError("bake needs first: the host to be watched")
        return self


class ReleaseSection(Model):
    command: Annotated[tuple[str, ...], BeforeValidator(as_argv), Field(min_length=1)]
    """What runs instead of the image's own command, with the service's environment, secrets, volumes and networks; one
    string runs through a shell."""
    timeout: Duration = Field(default=600.0, gt=0)
    """How long it may run; then it is stopped, and the deploy refused."""


class DeploySection(Model):
    order: Literal["start-first", "stop-first"] = "start-first"
    """`stop-first` for what cannot run twice, because it locks its volume for instance: requests wait at the proxy
    while the old version stops and the new one starts. When the new one fails, the old one is started again."""
    wait: Duration = Field(default=20.0, gt=0)
    """With `order: stop-first`: how long requests may have waited before the new version is given up. The proxy itself
    keeps a request `proxy.retries` times `proxy.timeouts.connect` long: 30 s."""
    bake: Annotated[BakeSection, BeforeValidator(_as_bake)] = BakeSection()
    """How green is judged after the switch."""
    canary: tuple[CanarySection, ...] = ()
    """Steps of rising weight before the switch."""
    drain: Duration = 30.0
    """How long the old version may finish requests, WebSockets and downloads."""
    stop: Duration = 10.0
    """Time between SIGTERM and SIGKILL."""
    keep_images: int = Field(default=5, ge=1, le=1000)
    """Earlier releases to keep for rollbacks."""
    hook_timeout: Duration = 300.0
    """How long a hook may run."""
    release: ReleaseSection | None = None
    """A command that runs once before each deploy, in the new image: migrations for instance."""
    hosts: RolloutSection = RolloutSection()
    """In which order the service's hosts get a new version."""

    @field_validator("canary")
    @classmethod
    def _rising(cls, steps: tuple[CanarySection, ...]) -> tuple[CanarySection, ...]:
        weights = [step.weight for step in steps]
        if weights != sorted(set(weights)):
            raise ValueError(f"canary weights must rise from step to step, not {weights}")
        return steps

    @model_validator(mode="after")
    def _canary_beside_the_old_one(self) -> DeploySection:
        if self.order == "stop-first" and self.canary:
            raise ValueError("canary needs both versions to run at once: leave it out, or order: stop-first")
        return self


class HealSection(Model):
    enabled: bool = True
    """`heal: off` only reports."""
    rollback_window: Duration = 600.0
    """A crash loop or lost health this soon after a deploy rolls back; 0 never does."""
    budget: int = Field(default=5, ge=1)
    """Restarts per `budget_window` before the service is quarantined."""
    budget_window: Duration = 600.0
    """The time that `budget` counts over."""


class LogFilesSection(Model):
    max_size: Size = Field(default=10 * 1024 * 1024, ge=64 * 1024)
    """Size at which a log file is rotated."""
    max_files: int = Field(default=3, ge=1, le=100)
    """How many files are kept."""


def _percent(value: float | None) -> float | None:
    if value is not None and value < 1:
        raise ValueError(f"is a percentage: for a share of {value:g} write {value * 100:g}")
    return value


class LatencyObjective(Model):
    threshold: Duration
    """A request this fast is a good one."""
    target: Annotated[float, AfterValidator(_percent)] = Field(gt=0, lt=100)
    """Percent of requests that must be good."""


class SloSection(Model):
    availability: Annotated[float | None, AfterValidator(_percent)] = Field(default=None, gt=0, lt=100)
    """Percent of requests without a 5xx."""
    latency: LatencyObjective | None = None
    """How many requests must be how fast."""


def _or_like(schema: dict[str, Any]) -> None:
    """A service like another need not name its image."""
    schema["required"].remove("image")
    schema["anyOf"] = [{"required": ["image"]}, {"required": ["like"]}]


class ServiceSection(Model):
    model_config = ConfigDict(json_schema_extra=_or_like)
    _is_accessory: bool = PrivateAttr(default=False)

    image: Word
    """Repository, with or without a tag; `bgmon deploy --image` overrides it."""
    like: Name | None = None
    """Another service, of which it has all that it does not say itself, but not `port`, `route`, `internal`, `health`,
    `slo` and `deploy.release`; `KEY: none` takes a key away."""
    group: Name | None = None
    """Services of one group are deployed together by `bgmon deploy --group`: all of them, or none."""
    build: Annotated[BuildSection | None, BeforeValidator(as_build)] = None
    """What its image is built of, for `bgmon build` and pipelines; a text is short for `context`."""
    hosts: tuple[Name, ...] = ()
    """Hosts that run it, by their names under `hosts`; none means this machine."""
    port: int | None = Field(default=None, ge=1, le=MAX_PORT)
    """Port inside the container; a worker has none."""
    route: Annotated[tuple[RouteSection, ...], BeforeValidator(_as_list)] = ()
    """Public entries."""
    internal: str | None = Field(default=None, pattern=_SPLIT_HOST_PORT)
    """`name:port` under which other services call it."""
    health: HealthSection = HealthSection()
    """What counts as healthy."""
    limits: LimitsSection = LimitsSection()
    """Resources it may use."""
    env: dict[str, Annotated[str, BeforeValidator(as_text), WithJsonSchema(WRITTEN)]] = {}
    """Environment variables, letter by letter as written here (`1.10`, `01234`); secrets do not belong here."""
    secrets: tuple[str, ...] = ()
    """Names of variables taken from the environment or .bgmon/secrets."""
    volumes: tuple[str, ...] = ()
    """`name:/path` or `/host/path:/path[:ro]`."""
    networks: tuple[str, ...] = ()
    """Existing Docker networks to join besides the project's own."""
    command: Annotated[tuple[str, ...], BeforeValidator(as_argv)] = ()
    """Instead of the image's own; one string runs through a shell."""
    user: str | None = None
    """User or uid inside the container."""
    read_only: bool = False
    """A root file system that cannot be written."""
    init: bool = True
    """Run a small init as pid 1, which passes signals on and reaps zombies; left out where the image brings its own."""
    depends_on: tuple[Name, ...] = ()
    """Services that it needs."""
    docker: dict[str, Any] = {}
    """Further engine options by their docker-py names, for instance `cap_drop: [ALL]`."""
    log_files: LogFilesSection = LogFilesSection()
    """Rotation of its log."""
    deploy: DeploySection = DeploySection()
    """How a new version takes over."""
    heal: Annotated[HealSection, BeforeValidator(_as_heal)] = HealSection()
    """What the daemon does when it fails; `off` only reports."""
    logs: ServiceLogs = ServiceLogs()
    """How its requests are read out of a log."""
    slo: SloSection = SloSection()
    """Objectives, for boards and alerts."""

    @model_validator(mode="after")
    def _events_are_counted(self) -> ServiceSection:
        for name in self.deploy.bake.max_events:
            if name not in self.logs.count:
                known = ", ".join(self.logs.count) or "none"
                raise ValueError(f"bake.max_events: {name} is no event of logs.count, which has {known}")
        return self

    @field_validator("docker")
    @classmethod
    def _known_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        for key in options:
            if key not in DOCKER_OPTIONS:
                raise ValueError(
                    f"{key!r} is not an option bgmon passes on; allowed: {', '.join(sorted(DOCKER_OPTIONS))}"
                )
        return {key: plain(value) if key in _NOT_TEXT else as_written(value) for key, value in options.items()}

    @field_validator("volumes")
    @classmethod
    def _volume_form(cls, volumes: tuple[str, ...]) -> tuple[str, ...]:
        for volume in volumes:
            source, _, target = volume.partition(":")
            if not source or not target.startswith("/") or source.startswith((".", "~")):
                raise ValueError(f"{volume!r} is not of the form name:/path or /host/path:/path[:ro]")
        return volumes

    @field_validator("secrets")
    @classmethod
    def _variable_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is no variable name; write the name here, never the secret")
        return names

    @model_validator(mode="after")
    def _port_for_routes(self) -> ServiceSection:
        if self.port is None and (self.route or self.internal):
            raise ValueError("a service with a route or an internal name needs a port")
        if self.port is None and self.health.path is not None:
            raise ValueError("health.path needs a port")
        if self.port is None and self.health.mode == "http":
            raise ValueError("health.mode http needs a port")
        if self.internal is not None and not 1 <= int(self.internal.rpartition(":")[2]) <= MAX_PORT:
            raise ValueError(f"internal: {self.internal!r} has no port between 1 and {MAX_PORT}")
        both = set(self.secrets) & set(self.env)
        if both:
            raise ValueError(f"{', '.join(sorted(both))} stands under both env and secrets")
        return self

    @property
    def is_accessory(self) -> bool:
        """Whether it stands under `accessories`."""
        return self._is_accessory

    @classmethod
    def for_accessory(cls, given: Mapping[str, Any], **more: Any) -> ServiceSection:
        """One that is no service of the file; `docker` may hold a health check, which services have no key for."""
        docker = more.pop("docker")
        made = cls.model_validate({**given, **more}).model_copy(update={"docker": docker})
        made._is_accessory = True  # noqa: SLF001 - its own
        return made
