"""The `notify:` section: whom the daemon tells."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from monitor.config.base import Duration, Model
from monitor.domain.alerting.conditions import Severity

_URL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*://\S*")


class ChannelSection(Model):
    url: SecretStr
    """An apprise URL (slack://, discord://, tgram://, mailto://, ...) or a webhook's https URL. It is a secret."""
    min_severity: Severity = "info"
    """The least grave alerts that this channel is told: info, ticket or page."""
    name: str | None = None
    """Shown instead of the masked URL."""

    @field_validator("url")
    @classmethod
    def _form(cls, url: SecretStr) -> SecretStr:
        if not _URL.fullmatch(url.get_secret_value()):
            raise ValueError("is no URL: write scheme://..., such as slack://token_a/token_b/token_c")
        return url


def _bare_url(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


class NotifySection(Model):
    urls: tuple[Annotated[ChannelSection, BeforeValidator(_bare_url)], ...] = ()
    group: Duration = 10.0
    """How long alerts wait for others, to be told in one message; 0 tells each at once."""
    repeat: Duration = 14400.0
    """After how long an alert that still fires is told again; 0 never does."""
    alertmanager: str | None = None
    """Push to this Alertmanager (its v2 API) as well; grouping and repeating are its own there."""
    templates: str | None = None
    """A folder with message templates that replace the shipped ones, relative to bgmon.yml."""
    deadline: Duration = Field(default=15.0, ge=1.0)
    """The longest that one try to send may take."""

    @field_validator("alertmanager")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://\S+", url):
            raise ValueError("is no http URL, such as http://alertmanager:9093")
        return url

    @model_validator(mode="after")
    def _distinct(self) -> NotifySection:
        seen = [channel.url.get_secret_value() for channel in self.urls]
        if len(set(seen)) != len(seen):
            raise ValueError("urls: one URL is there twice")
        return self
