"""bgmon.yml as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from monitor.config.accessories import AccessorySection
from monitor.config.base import Duration, Model, Name, Word, one_word
from monitor.config.generate import GenerateSection
from monitor.config.jobs import JobSection
from monitor.config.logs import LogsSection
from monitor.config.notify import NotifySection
from monitor.config.proxy import ProxySection
from monitor.config.service import ServiceSection
from monitor.config.tls import check_names
from monitor.config.watch import WatchSection
from monitor.config.yamlfile import Path
from monitor.domain.internalnames import HostAddress, is_address
from monitor.domain.jobs import backup_name
from monitor.domain.names import RESERVED_SERVICES

_SSH_HOST: Final = re.compile(r"[A-Za-z0-9_.:%\[\]-]+/?")
_SHELL: Final = re.compile(r"['\"`$;&<>|(){}*?!~#]|\\\Z")


def _ssh_target(target: str) -> str:
    """What ssh takes as a destination and cannot take for an option, nor its user or host.

    ssh hands both to a shell, in the ProxyCommand of a jump host or of the user's own ssh_config; releases before 9.6
    did not look at what is in them.

    Raises:
        ValueError: it is something else.
    """
    one_word(target)
    user, _, host = target.removeprefix("ssh://").rpartition("@")
    if user.startswith("-") or host.startswith("-") or not host:
        raise ValueError(f"{target!r} has a user or a host that begins with -")
    if not _SSH_HOST.fullmatch(host) or _SHELL.search(user):
        raise ValueError(f"{target!r} holds a character that is in no name of a user or a host")
    return target


def _address(value: str) -> str:
    if not is_address(value):
        raise ValueError(f"{value!r} is no IP address")
    return value


class HostSection(Model):
    ssh: Annotated[str, AfterValidator(_ssh_target)] | None = None
    """`user@host` or `ssh://user@host:port`, as ssh takes it; none means this machine."""
    options: tuple[str, ...] = ()
    """Further options of ssh, for instance `["-i", "/root/.ssh/deploy"]`."""
    address: Annotated[str, AfterValidator(_address)] | None = None
    """Its private address, which internal names are to point at; by default that in `ssh`, where it is no name."""
    jump: Annotated[str, AfterValidator(_ssh_target)] | None = None
    """Host through which ssh goes, as `ssh` has it; `options` hold for it as well."""
    patience: Duration = 90.0
    """How long it may be silent during a deploy before the deploy is given up."""
    program: Word = "bgmon"
    """Where bgmon is found on that host."""


class StateSection(Model):
    dir: str | None = None
    """Where the state, locks and the proxy's files live; the default is /var/lib/bgmon for root."""


def _named(service: str, hosts: Iterable[str]) -> None:
    try:
        check_names(hosts)
    except ValueError as error:
        raise ValueError(f"services.{service}.route: {error}") from None


class Config(Model):
    project: Name
    """Part of every container name and label."""
    hosts: dict[Name, HostSection] = {}
    """The machines, when there are several."""
    state: StateSection = StateSection()
    """Where state is kept."""
    proxy: ProxySection = ProxySection()
    """The reverse proxy."""
    services: dict[Name, ServiceSection] = Field(min_length=1)
    """What runs."""
    accessories: dict[Name, AccessorySection] = {}
    """Databases, caches and the like, which run beside the services and are never swapped."""
    jobs: dict[Name, JobSection] = {}
    """What the daemon runs by a schedule."""
    logs: LogsSection = LogsSection()
    """Where request metrics come from."""
    notify: NotifySection = NotifySection()
    """Whom to tell."""
    watch: WatchSection = WatchSection()
    """The daemon."""
    generate: GenerateSection = GenerateSection()
    """What `bgmon generate` writes."""
    _with_accessories: dict[str, ServiceSection] = PrivateAttr(default_factory=dict)
    _variables: dict[str, str] = PrivateAttr(default_factory=dict)
    _sealed: Mapping[Path, str] = PrivateAttr(default_factory=dict)
    _exposed: Mapping[Path, tuple[str, ...]] = PrivateAttr(default_factory=dict)

    @property
    def all_services(self) -> Mapping[str, ServiceSection]:
        """The services and the accessories: all that runs, is watched and can be looked at."""
        return self._with_accessories or self.services

    @property
    def variables(self) -> Mapping[str, str]:
        """The values that `${VAR}` stood for and that count as secret, by variable."""
        return self._variables

    @property
    def exposed(self) -> Mapping[Path, tuple[str, ...]]:
        """Where in a service such variables stand in a setting that is recorded with the value, and which."""
        return self._exposed

    def sealed(self, service: str) -> Mapping[Path, str]:
        """The texts of a service that hold such a variable and are recorded as they stand in the file.

        By their place in the service's section: ("env", NAME), ("health", "path"), ("health", "headers", NAME).
        """
        return {path[2:]: text for path, text in self._sealed.items() if path[1] == service}

    def with_variables(
        self, secrets: dict[str, str], sealed: Mapping[Path, str], exposed: Mapping[Path, tuple[str, ...]]
    ) -> Config:
        """For the loader, which alone knows them."""
        self._variables, self._sealed, self._exposed = secrets, sealed, exposed
        return self

    @property
    def addresses(self) -> Mapping[str, str]:
        """The private address of each host where it is known."""
        known = {name: HostAddress(host.address, host.ssh).known for name, host in self.hosts.items()}
        return {name: address for name, address in known.items() if address is not None}

    def _hosts_of(self, name: str, service: ServiceSection) -> None:
        for host in service.hosts:
            if host not in self.hosts:
                known = ", ".join(self.hosts) or "none are declared"
                raise ValueError(f"services.{name}.hosts: {host!r} is not under hosts ({known})")
        first = service.deploy.hosts.first
        if first is not None and first not in service.hosts:
            raise ValueError(f"services.{name}.deploy.hosts.first: {first!r} is none of the service's hosts")
        if self.proxy.peer_port is not None and service.internal is not None:
            for host in service.hosts:
                if host not in self.addresses:
                    raise ValueError(f"hosts.{host}.address: proxy.peer_port needs it, for {name} has an internal name")

    @model_validator(mode="after")
    def _beside(self) -> Config:
        made = dict(self.services)
        for name, accessory in self.accessories.items():
            if name in made or name in RESERVED_SERVICES:
                raise ValueError(f"accessories.{name}: there is a service of that name")
            for host in accessory.hosts:
                if host not in self.hosts:
                    raise ValueError(f"accessories.{name}.hosts: {host!r} is not under hosts")
            made[name] = accessory.as_service()
        self._with_accessories = made
        return self

    @model_validator(mode="after")
    def _jobs(self) -> Config:
        for name, job in self.jobs.items():
            backups = {backup_name(one) for one, section in self.accessories.items() if section.backup}
            if name in self.all_services or name in RESERVED_SERVICES or name in backups:
                raise ValueError(f"jobs.{name}: there is a service or a backup of that name")
            if job.like not in self.all_services:
                known = ", ".join(self.all_services)
                raise ValueError(f"jobs.{name}.like: {job.like!r} is not under services ({known})")
            hosts = self.all_services[job.like].hosts
            if job.host is not None and job.host not in hosts:
                raise ValueError(f"jobs.{name}.host: {job.host!r} is none of the hosts of {job.like}")
        return self

    @model_validator(mode="after")
    def _references(self) -> Config:
        entries: dict[tuple[str, str], str] = {}
        internal: dict[str, str] = {}
        for name, service in self.services.items():
            if name in RESERVED_SERVICES:
                raise ValueError(f"services.{name}: the name is reserved for bgmon's own container")
            self._hosts_of(name, service)
            for needed in service.depends_on:
                if needed not in self.all_services or needed == name:
                    raise ValueError(f"services.{name}.depends_on: {needed!r} is no other service")
            for route in service.route:
                if self.proxy.tls == "auto" and route.tls is None:
                    _named(name, route.host)
                for host in route.host or ("*",):
                    taken = entries.setdefault((host.lower(), route.path), name)
                    if taken != name:
                        raise ValueError(f"services.{name}.route: {host}{route.path} already belongs to {taken}")
            if service.internal is not None:
                taken = internal.setdefault(service.internal.lower(), name)
                if taken != name:
                    raise ValueError(f"services.{name}.internal: {service.internal} already belongs to {taken}")
        return self
