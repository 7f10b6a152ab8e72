"""The `logs:` sections: where request metrics come from, globally and per service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from monitor.config.base import Duration, Model


class ServiceLogs(Model):
    """How the requests of one service are read out of a log."""

    source: Literal["proxy", "app", "off"] = "proxy"
    format: Literal["json", "logfmt", "nginx", "caddy", "regex"] = "json"
    status: str = "status"
    """The field with the HTTP status."""
    duration: str | None = None
    """The field with the duration."""
    unit: Literal["s", "ms", "us", "ns", "duration"] = "s"
    """The duration's unit; `duration` reads Go's form, such as 12ms."""
    regex: str | None = None
    """With `format: regex`: named groups for status and duration."""
    path: str | None = None
    """The field with the request's path, to leave out health checks."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of the histogram in seconds, rising; empty takes the default ones and the SLO's threshold."""


class LogsSection(Model):
    source: Literal["docker", "loki"] = "docker"
    url: str | None = None
    window: Duration = Field(default=60.0, gt=0)
    delay: Duration = 60.0
