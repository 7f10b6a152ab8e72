"""Other machines that become hosts of the project, stay at its version, or cease to be one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from monitor import __version__, masking
from monitor.adapters.host import wheels
from monitor.domain.hostsetup import HostFacts, Step, environment_lines, number, unfit, wheel_version
from monitor.errors import UsageError
from monitor.render import hostscripts
from monitor.services.fleet.setup import Plan, Setup, Tell, deployed

if TYPE_CHECKING:
    from monitor.bootstrap.hosts import ProjectHosts
    from monitor.bootstrap.resources import Resources
    from monitor.bootstrap.wiring import Wiring

_LINKS: Final = "/usr/local/bin"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a host is to have: `wheel` and `wheels` (a folder) where it has no index, `logins` by registry."""

    wheel: Path | None = None
    wheels: Path | None = None
    logins: tuple[str, ...] = ()


class Servers:
    """The steps for hosts of a project.

    Raises UsageError when bgmon.yml or the options cannot be brought to any host.
    """

    def __init__(self, resources: Resources, wiring: Wiring, hosts: ProjectHosts, wanted: Wanted) -> None:
        self._resources = resources
        self._config = wiring.config
        self._hosts = hosts
        self._wanted = wanted
        self._variables = hosts.variables()
        masking.learn(self._variables)
        several = [name for name, value in self._variables.items() if "\n" in value]
        if several:
            raise UsageError(
                f"{', '.join(several)}: a value of several lines cannot stand in the daemon's file of variables",
                hint="make it a secret of the service that needs it",
            )
        self._version = self._folder_name()
        self._logins = self._encoded_logins()
        self._pushed = lru_cache(wheels.pushed)

    def setup(self, host: str, tell: Tell, *, password: str | None, dry_run: bool) -> Setup:
        """What carries steps out on one host. Raises UsageError when it is none that ssh reaches."""
        question = hostscripts.facts(self._hosts.address(host).program)
        return Setup(host, self._hosts.shell(host, password), self._hosts, question, tell, dry_run=dry_run)

    def bootstrap(self, host: str) -> list[Plan]:
        """From a bare machine to a host whose daemon runs."""
        return [self._packages, lambda there: self._installation(there, host), lambda there: self._project(there, host)]

    def upgrade(self, host: str) -> list[Plan]:
        """Bgmon at this version, and the daemon and the proxy by it."""

        def plan(there: HostFacts) -> list[Step]:
            if not there.bgmon:
                raise UsageError(f"{host}: there is no bgmon to upgrade", hint=f"bgmon server bootstrap {host}")
            version = self._bgmon(there, host)
            reload = Step(
                "proxy",
                "reload the proxy with what this version writes, refusing no connection",
                check=None,
                change=("proxy", "reload", "--json"),
                after=(version.name,),
            )
            return [version, self._link(host), *self._kept(there), reload, self._daemon(there, host)]

        return [plan]

    def remove(self, host: str, *, also: bool) -> list[Plan]:
        """Everything of the project's, and bgmon itself where no other project uses it.

        `also` takes services along; without it a host is refused on which some run.
        """
        program = self._program(host)

        def project(there: HostFacts) -> list[Step]:
            services = deployed(self._hosts, host) if there.bgmon else []
            if services and not also:
                raise UsageError(
                    f"{host}: {', '.join(services)} run there",
                    hint=f"take them along with --services, or: bgmon -H {host} remove SERVICE",
                )
            steps = [self._no_daemon(there, host)]
            if there.bgmon:
                for name in services:
                    text = f"remove {name}, its containers and its history"
                    steps.append(Step(name, text, check=None, change=("remove", name, "--yes", "--json")))
                steps.append(self._no_proxy(there))
            if self._config.state.dir is None:
                folders = [
                    f"{there.state}/{self._resources.project}",
                    f"{there.state}/projects/{self._resources.project}",
                ]
                gone, away = hostscripts.folders_gone(*folders), hostscripts.remove_folders(*folders)
                steps.append(Step("state", f"remove {' and '.join(folders)}", gone, away))
            gone, away = hostscripts.program_gone(program, there.state), hostscripts.remove_program(program)
            return [*steps, Step("bgmon", f"remove {program} and {hostscripts.HOME}", gone, away, root=True)]

        return [project]

    # The stages

    def _packages(self, there: HostFacts) -> list[Step]:
        self._fit(there)
        docker = hostscripts.install("docker.io", "apparmor", "ca-certificates", optional="docker-cli")
        steps = [
            Step(
                "python",
                "install python3 and python3-venv",
                check=hostscripts.HAS_PYTHON,
                change=self._by_apt(there, hostscripts.install("python3", "python3-venv"), "python3 with its venv"),
                root=True,
            ),
            Step(
                "docker",
                "install docker.io",
                check=hostscripts.HAS_DOCKER,
                change=self._by_apt(there, docker, "a Docker engine"),
                root=True,
            ),
        ]
        if not there.is_root:
            text = f"let {there.user} use Docker, which is as much as being root (group docker)"
            change = hostscripts.join_docker(there.user)
            steps.append(Step("group", text, hostscripts.MAY_USE_DOCKER, change, root=True, renews=True))
        proxy = self._config.proxy
        if proxy.run == "process":
            text, check = f"install {proxy.binary}", hostscripts.has_program(proxy.binary)
            change = self._by_apt(there, hostscripts.haproxy(), "HAProxy")
            steps.append(Step("haproxy", text, check, change, root=True))
        engine = Step(
            "engine",
            "start the engine, now and at every boot",
            hostscripts.ENGINE_ANSWERS,
            hostscripts.START_ENGINE,
            root=True,
        )
        return [*steps, engine]

    def _installation(self, there: HostFacts, host: str) -> list[Step]:
        steps = [self._bgmon(there, host), self._link(host)]
        text = f"make the state folder {there.state}"
        steps.append(Step("state", text, hostscripts.has_folder(there.state), hostscripts.put_folder(there.state)))
        if self._logins:
            data = json.dumps(self._logins).encode()
            text = f"keep the login for {', '.join(self._logins)}"
            check, change = hostscripts.logins("check"), hostscripts.logins("change")
            steps.append(Step("login", text, check, change, data=lambda: data, check_reads=True))
        return steps

    def _project(self, there: HostFacts, host: str) -> list[Step]:
        kept = self._config_there(there)
        text = self._resources.config_file.read_bytes()
        return [
            *self._kept(there),
            Step(
                "bgmon.yml",
                "leave bgmon.yml and the hooks there",
                check=hostscripts.same_file(kept),
                change=("check", "--json"),
                data=lambda: text,
                check_reads=True,
                adopt=True,
            ),
            Step(
                "proxy",
                "start the proxy",
                check=("proxy", "status", "--json"),
                change=("proxy", "boot", "--json"),
            ),
            self._daemon(there, host),
        ]

    # Their steps

    def _fit(self, there: HostFacts) -> None:
        why = unfit(there)
        if why:
            raise UsageError(why, hint="see docs/hosts.md for the systems that it can be set up on")

    def _by_apt(self, there: HostFacts, script: str, what: str) -> str:
        if there.has_apt:
            return script
        return f'echo "this is {there.system}, not Debian or Ubuntu: install {what} by hand" >&2; exit 1'

    def _bgmon(self, there: HostFacts, host: str) -> Step:
        if there.bgmon and number(there.bgmon) > number(__version__):
            raise UsageError(
                f"{host}: it has bgmon {there.bgmon}, which is newer than this one ({__version__})",
                hint=f"upgrade the caller: pip install --upgrade bgmon=={there.bgmon}",
            )
        was = f" in the place of {there.bgmon}" if there.bgmon else ""
        requirement = "" if self._wanted.wheel else f"bgmon=={__version__}"
        return Step(
            "bgmon",
            f"install bgmon {__version__} in {hostscripts.HOME}/{self._version}{was}",
            check=hostscripts.has_version(self._version),
            change=hostscripts.put_version(self._version, requirement),
            root=True,
            data=lambda: self._archive(there),
        )

    def _archive(self, there: HostFacts) -> bytes:
        if self._wanted.wheel is None:
            return wheels.locked_list()
        return self._pushed(
            self._wanted.wheel, self._wanted.wheels, python=there.python, machine=there.machine, libc=there.libc
        )

    def _link(self, host: str) -> Step:
        path = self._program(host)
        text = f"put bgmon on the path: {path}"
        return Step("program", text, hostscripts.has_link(path), hostscripts.put_link(path), root=True)

    def _kept(self, there: HostFacts) -> list[Step]:
        """The variables of bgmon.yml, for the daemon."""
        if not self._variables:
            return []
        path = f"/etc/bgmon/{self._resources.project}.env"
        data = environment_lines(self._variables).encode()
        check, change = (hostscripts.variables(verb, path, there.user) for verb in ("check", "change"))
        text = f"keep {', '.join(self._variables)} for the daemon in {path}"
        return [Step("variables", text, check, change, root=True, data=lambda: data, check_reads=True)]

    def _unit(self, there: HostFacts, host: str) -> hostscripts.Unit:
        own_state = there.is_root or self._config.state.dir is not None
        return hostscripts.Unit(
            self._resources.project,
            program=self._program(host),
            config=self._config_there(there),
            user=there.user,
            state=None if own_state else there.state,
            systemd=there.systemd,
        )

    def _daemon(self, there: HostFacts, host: str) -> Step:
        unit = self._unit(there, host)
        text = f"install {unit.name}, and start it" if there.systemd else f"write {unit.path}"
        by_hand = f"bgmon -c {self._config_there(there)} watch"
        note = (
            "" if there.systemd else f"there is no systemd: nothing starts the daemon; have that machine run: {by_hand}"
        )
        return Step("daemon", text, unit.check(), unit.change(), root=True, note=note)

    def _no_daemon(self, there: HostFacts, host: str) -> Step:
        unit = self._unit(there, host)
        return Step("daemon", f"stop and remove {unit.name}", unit.is_gone(), unit.take_away(), root=True)

    def _no_proxy(self, there: HostFacts) -> Step:
        """By the shell: what asks for its status leaves the state folder behind, and bgmon.yml may be gone there."""
        gone = hostscripts.folders_gone(f"{there.state}/{self._resources.project}/proxy/haproxy.cfg")
        return Step("proxy", "stop and remove the proxy", gone, ("proxy", "remove", "--yes", "--json"))

    def _config_there(self, there: HostFacts) -> str:
        return f"{there.state}/projects/{self._resources.project}/bgmon.yml"

    def _program(self, host: str) -> str:
        program = self._hosts.address(host).program
        return program if program.startswith("/") else f"{_LINKS}/{program}"

    # What is the same for all hosts

    def _folder_name(self) -> str:
        wheel = self._wanted.wheel
        if wheel is None:
            return __version__
        found = wheel_version(wheel.name)
        if found != __version__:
            raise UsageError(
                f"{wheel}: {f'bgmon {found}' if found else 'no wheel of bgmon'}, and this is bgmon {__version__}",
                hint="hosts get the caller's own version",
            )
        try:
            content = wheel.read_bytes()
        except OSError as error:
            raise UsageError(f"{wheel}: {error.strerror}") from None
        return f"{__version__}-{hashlib.sha256(content + wheels.lock()).hexdigest()[:12]}"

    def _encoded_logins(self) -> dict[str, str]:
        if not self._wanted.logins:
            return {}
        from monitor.adapters.docker.logins import login  # slow to import

        return {registry: login(registry) for registry in self._wanted.logins}
