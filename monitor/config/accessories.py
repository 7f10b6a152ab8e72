"""`accessories:` of bgmon.yml: databases, caches and the like, which are watched as services are and never swapped."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from monitor.config.base import Duration, Model, Name, Word, as_argv
from monitor.config.jobs import schedule, time_zone
from monitor.config.service import (
    WRITTEN,
    HealSection,
    LimitsSection,
    LogFilesSection,
    ServiceSection,
    as_text,
)

_NANO: Final = 1_000_000_000


class AccessoryHealth(Model):
    command: Annotated[tuple[str, ...], BeforeValidator(as_argv)] = ()
    """Run inside the container; exit code 0 is healthy. One string runs through a shell. Without it, the image's own
    HEALTHCHECK counts, else staying up for `settle`."""
    interval: Duration = Field(default=5.0, ge=1)
    """Time between two checks."""
    timeout: Duration = Field(default=5.0, ge=0.001)
    """How long one check may take."""
    failures: int = Field(default=3, ge=1, le=100)
    """Bad checks in a row that make it unhealthy."""
    start: Duration = 60.0
    """How long it may take until it is healthy."""
    settle: Duration = 5.0
    """How long it must stay up to count as healthy where nothing checks it."""


class BackupSection(Model):
    command: Annotated[tuple[str, ...], BeforeValidator(as_argv), Field(min_length=1)]
    """Writes a backup into the folder /backup; it runs in a container of its own with the accessory's image,
    environment, secrets, volumes and networks. One string runs through a shell."""
    schedule: Annotated[str, AfterValidator(schedule)]
    """When, as in a crontab."""
    zone: Annotated[str, AfterValidator(time_zone)] = "UTC"
    """The time zone of the schedule."""
    timeout: Duration = Field(default=3600.0, gt=0)
    """How long one backup may take."""
    retries: int = Field(default=0, ge=0, le=10)
    """How often one that failed is tried again."""
    keep: int = Field(default=7, ge=1)
    """How many good backups are kept."""


class AccessorySection(Model):
    image: Word
    """Repository and tag; `bgmon accessory upgrade` goes to another one."""
    hosts: tuple[Name, ...] = ()
    """Hosts that run it; none means this machine."""
    command: Annotated[tuple[str, ...], BeforeValidator(as_argv)] = ()
    """Instead of the image's own; one string runs through a shell."""
    env: dict[str, Annotated[str, BeforeValidator(as_text), WithJsonSchema(WRITTEN)]] = {}
    """Environment variables, letter by letter as written here."""
    secrets: tuple[str, ...] = ()
    """Names of variables taken from the environment or .bgmon/secrets."""
    volumes: tuple[str, ...] = ()
    """`name:/path` or `/host/path:/path[:ro]`: where its data is."""
    networks: tuple[str, ...] = ()
    """Existing Docker networks to join besides the project's own."""
    limits: LimitsSection = LimitsSection()
    """Resources it may use."""
    health: AccessoryHealth = AccessoryHealth()
    """What counts as healthy."""
    user: str | None = None
    """User or uid inside the container."""
    read_only: bool = False
    """A root file system that cannot be written."""
    init: bool = True
    """Run a small init as pid 1; left out where the image brings its own."""
    stop: Duration = 30.0
    """How long it may take to end before it is killed: a database flushes what it has."""
    docker: dict[str, Any] = {}
    """Further engine options by their docker-py names."""
    log_files: LogFilesSection = LogFilesSection()
    """Rotation of its log."""
    heal: HealSection = HealSection(rollback_window=0.0)
    """What the daemon may do; it never rolls an accessory back."""
    backup: BackupSection | None = None
    """A job that backs its data up."""

    def as_service(self) -> ServiceSection:
        """What the rest of bgmon works with: a service without a port, one version of which runs at a time."""
        health = self.health
        checked: dict[str, Any] = {}
        if health.command:
            checked["healthcheck"] = {
                "test": ["CMD", *health.command],
                "interval": round(health.interval * _NANO),
                "timeout": round(health.timeout * _NANO),
                "retries": health.failures,
                "start_period": round(health.start * _NANO),
            }
        taken = self.model_dump(exclude={"health", "stop", "docker", "heal", "backup"})
        return ServiceSection.for_accessory(
            taken,
            health={
                "mode": "docker" if health.command else "auto",
                "start": health.start,
                "settle": health.settle,
            },
            deploy={
                "order": "stop-first",
                "bake": 0.0,
                "drain": 0.0,
                "stop": self.stop,
                "wait": health.start + self.stop,
            },
            heal=self.heal.model_copy(update={"rollback_window": 0.0}).model_dump(),
            docker={**self.docker, **checked},
        )
