"""The `watch:` section: the daemon."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field, SecretStr, field_validator, model_validator

from monitor.config.base import Duration, Model, Name, parse_address
from monitor.config.tls import TlsSection

_HTTP: Final = re.compile(r"https?://[^\s/]+\S*")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
SHORTEST_TOKEN: Final = 16


class PeerSection(Model):
    """Another host's daemon."""

    name: Name
    url: str
    """Where it listens, such as http://vps2.internal:9180."""
    token: SecretStr | None = None
    """Its watch.token, needed to ask it about third hosts."""

    @field_validator("url")
    @classmethod
    def _form(cls, url: str) -> str:
        if not _HTTP.fullmatch(url):
            raise ValueError(f"{url!r} is no http URL, such as http://vps2.internal:9180")
        return url.rstrip("/")


class WatchSection(Model):
    listen: str = "127.0.0.1:9180"
    """Where /metrics and the status page are served; any address but this host's own loopback needs a token."""
    token: SecretStr | None = None
    """What visitors must know: as a Bearer token, or as the password the browser asks for (any user name)."""
    tls: TlsSection | None = None
    """Certificate for HTTPS."""
    reconcile: Duration = 30.0
    """How often everything is looked at again without any event."""
    host_budget: int | None = Field(default=None, ge=1)
    """Acts of healing per 10 minutes for all services together; the default is two a service, ten at least."""
    log_lines: int = Field(default=20, ge=0, le=1000)
    """Last log lines kept with an incident, secrets masked."""
    retention: Duration = Field(default=30 * 86400.0, ge=3600.0)
    """How long incidents and the history of probes are kept."""
    max_probes: int = Field(default=256, ge=1, le=10_000)
    """Probes under way at once."""
    heartbeat: SecretStr | None = None
    """A URL that is fetched every `heartbeat_interval` while all is well: a dead man's switch elsewhere."""
    heartbeat_interval: Duration = Field(default=60.0, ge=1.0)
    peers: tuple[PeerSection, ...] = ()
    """The daemons of the other hosts: each watches the others."""
    peer_interval: Duration = Field(default=10.0, ge=1.0)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return parse_address(self.listen, example="127.0.0.1:9180", least=0)

    @property
    def loopback(self) -> bool:
        return self.listen.rpartition(":")[0] in _LOOPBACK

    @field_validator("listen")
    @classmethod
    def _listen(cls, listen: str) -> str:
        parse_address(listen, example="127.0.0.1:9180", least=0)
        return listen

    @field_validator("token")
    @classmethod
    def _long(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < SHORTEST_TOKEN:
            raise ValueError(f"is too short: {SHORTEST_TOKEN} characters at least, such as from: openssl rand -hex 16")
        return token

    @field_validator("heartbeat")
    @classmethod
    def _beat(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _HTTP.fullmatch(url.get_secret_value()):
            raise ValueError("is no http URL")
        return url

    @field_validator("peers")
    @classmethod
    def _names(cls, peers: tuple[PeerSection, ...]) -> tuple[PeerSection, ...]:
        names = [peer.name for peer in peers]
        if len(set(names)) != len(names):
            raise ValueError("a name is there twice")
        return peers

    @model_validator(mode="after")
    def _guarded(self) -> WatchSection:
        if not self.loopback and self.token is None:
            raise ValueError(f"listen: {self.listen} is reachable by others: set watch.token as well")
        return self
