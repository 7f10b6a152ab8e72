"""The `generate:` section: what `bgmon generate` writes, and where it will run."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from monitor.config.base import Duration, Model, Name
from monitor.config.jobs import time_zone
from monitor.domain.alerting.conditions import Severity

_HTTP: Final = re.compile(r"https?://[^\s/]+\S*")
_TIMES: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)")
_TARGET: Final = re.compile(r"[^\s/]+:[0-9]{1,5}")


def _http_url(value: str) -> str:
    if not _HTTP.fullmatch(value):
        raise ValueError(f"{value!r} is no http URL, such as http://127.0.0.1:3100")
    if urlsplit(value).username is not None:
        raise ValueError("holds a user or password, which generated files would show: leave it out")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_http_url)]


def _bare_url(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


class ServerSection(Model):
    url: Url
    """Where it answers, as seen from the machine that runs the stack."""
    uid: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,40}$")
    """The uid of its data source in a Grafana that has it already: boards and rules use it, and none is provisioned."""


class GrafanaSection(Model):
    url: Url = "http://127.0.0.1:3000"
    """Where people open it; links in alerts lead there."""
    token: SecretStr | None = None
    """A service account's token, for `bgmon grafana push`."""
    default: bool = False
    """Make bgmon's Prometheus the default data source. Grafana refuses to start with two that are."""


class RetentionSection(Model):
    logs: Duration = Field(default=30 * 86400.0, ge=86400.0)
    """How long Loki keeps lines."""
    metrics: Duration = Field(default=35 * 86400.0, ge=86400.0)
    """How long Prometheus keeps samples; objectives look back over 30 days (720h)."""


class MuteSection(Model):
    name: Name
    severities: tuple[Severity, ...] = ("ticket",)
    """Which alerts stay quiet."""
    times: tuple[str, ...] = ("00:00-24:00",)
    """`22:00-07:00` crosses midnight."""
    weekdays: tuple[Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"], ...] = ()
    """On which days; none means every day."""
    location: str = Field(default="UTC", pattern=r"^[A-Za-z0-9_+/-]+$")
    """Time zone, such as Europe/Berlin."""

    @field_validator("location")
    @classmethod
    def _zone(cls, location: str) -> str:
        return location if location == "Local" else time_zone(location)

    @field_validator("times")
    @classmethod
    def _form(cls, times: tuple[str, ...]) -> tuple[str, ...]:
        for item in times:
            if not _TIMES.fullmatch(item) or item[:5] == item[6:]:
                raise ValueError(f"{item!r} is no span of a day, such as 22:00-07:00")
        return times


class GenerateSection(Model):
    out: str = "monitoring"
    """The folder to write to, relative to bgmon.yml."""
    dashboards: str | None = None
    """A folder with boards that add to or replace the shipped ones, relative to bgmon.yml."""
    rules: str | None = None
    """A folder with alert rules that add to or replace the shipped ones, relative to bgmon.yml."""
    promtail: str | None = None
    """A folder with promtail.yaml.j2 or config.alloy.j2 in place of the shipped ones, relative to bgmon.yml."""
    loki: Annotated[ServerSection | None, BeforeValidator(_bare_url)] = None
    """Loki, for the shippers and as a data source; the default is logs.url, or this machine's port 3100."""
    prometheus: Annotated[ServerSection, BeforeValidator(_bare_url)] = ServerSection(url="http://127.0.0.1:9090")
    """Prometheus, as a data source."""
    grafana: Annotated[GrafanaSection, BeforeValidator(_bare_url)] = GrafanaSection()
    """Grafana itself."""
    alertmanager: Annotated[ServerSection | None, BeforeValidator(_bare_url)] = None
    """Alertmanager, for Prometheus and Loki with `notify_by: alertmanager`; the default is notify.alertmanager, or this
    machine's port 9093."""
    notify_by: Literal["grafana", "alertmanager", "none"] = "grafana"
    """Who tells people about the generated rules; all three rule sets are written, one speaks."""
    shipper: Literal["alloy", "promtail"] = "alloy"
    """Which of the two compose.yaml starts; both configurations are written."""
    runbooks: Url | None = None
    """Where docs/runbooks can be read; the default is the generated runbook board in Grafana."""
    retention: RetentionSection = RetentionSection()
    """How long data is kept."""
    targets: dict[Name, str] = {}
    """Where Prometheus finds a host's daemon, as address:port, when it is not the one under watch."""
    mute: tuple[MuteSection, ...] = ()
    """When alerts stay quiet every week."""

    @field_validator("targets")
    @classmethod
    def _addresses(cls, targets: dict[str, str]) -> dict[str, str]:
        for host, target in targets.items():
            if not _TARGET.fullmatch(target):
                raise ValueError(f"{host}: {target!r} is not of the form address:port, such as vps2.internal:9180")
        return targets

    @field_validator("mute")
    @classmethod
    def _names(cls, mute: tuple[MuteSection, ...]) -> tuple[MuteSection, ...]:
        names = [item.name for item in mute]
        if len(set(names)) != len(names):
            raise ValueError("a name is there twice")
        return mute
