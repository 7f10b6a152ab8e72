"""`bgmon server`: other machines become hosts of the project, stay at this version, or cease to be one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_event
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.bootstrap.hosts import ProjectHosts
    from monitor.bootstrap.servers import Servers
    from monitor.domain.hostsetup import StepState
    from monitor.services.fleet.setup import Outcome, Plan

_AT_ONCE: Final = 16
_PASSWORD: Final = "BGMON_SUDO_PASSWORD"  # noqa: S105 - a variable's name


def _hosts(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion: never fails."""
    from monitor.bootstrap import build

    try:
        config = build(ctx.find_root().params.get("config_file")).config
    except BgmonError:
        return []
    return [name for name, host in config.hosts.items() if host.ssh and name.startswith(incomplete)]


_hosts_argument = click.argument("names", nargs=-1, required=True, metavar="HOST...", shell_complete=_hosts)
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be changed, and change nothing.")
_wheel = click.option(
    "--wheel",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Push this wheel of bgmon and those of its locked dependencies, for hosts without internet.",
)
_wheels = click.option(
    "--wheels",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --wheel: the folder where the dependencies' wheels are, for a caller without internet.",
)
_ask_sudo = click.option(
    "--ask-sudo", is_flag=True, help=f"Ask once for the password that sudo wants there (or take {_PASSWORD})."
)


@click.group("server")
def command() -> None:
    """Make machines hosts of this project, look after them, or take bgmon off them.

    HOST is a name under `hosts`, or `all`.

    \b
    Examples:
      bgmon server bootstrap vps1 --dry-run     what a bare Debian or Ubuntu is missing
      bgmon server bootstrap all
      bgmon server check all
    """


@command.command("bootstrap")
@_hosts_argument
@_dry_run
@_wheel
@_wheels
@click.option("--login", "logins", multiple=True, metavar="REGISTRY", help="Pass this machine's login for it on.")
@_ask_sudo
@json_option
@pass_settings
def bootstrap(
    settings: Settings,
    names: tuple[str, ...],
    *,
    dry_run: bool,
    wheel: Path | None,
    wheels: Path | None,
    logins: tuple[str, ...],
    ask_sudo: bool,
    as_json: bool,
) -> int:
    """Make bare machines with Debian or Ubuntu and sshd hosts of this project.

    Each gets Docker, where none is there, this version of bgmon in a venv of its own, bgmon.yml, the proxy and the
    daemon's unit. What is there already is left as it is, so it can be run any number of times. Root's rights are used
    where something has to be changed that needs them.

    \b
    Examples:
      bgmon server bootstrap vps1 vps2 --dry-run
      bgmon server bootstrap all --login reg.example.com
      bgmon server bootstrap vps1 --wheel bgmon-0.1.0-py3-none-any.whl
    """
    work = _Work(settings, names, dry_run=dry_run, ask_sudo=ask_sudo, as_json=as_json)
    return work.run(lambda servers, host: servers.bootstrap(host), wheel=wheel, wheels=wheels, logins=logins)


@command.command("check")
@_hosts_argument
@json_option
@pass_settings
def check(settings: Settings, names: tuple[str, ...], *, as_json: bool) -> int:
    """Say what hosts are missing to be hosts of this project at this version; exit code 1 when it is something.

    \b
    Examples:
      bgmon server check vps1
      bgmon server check all --json
    """
    work = _Work(settings, names, dry_run=True, ask_sudo=False, as_json=as_json)
    return work.run(lambda servers, host: servers.bootstrap(host), missing=1)


@command.command("upgrade")
@_hosts_argument
@_dry_run
@_wheel
@_wheels
@_ask_sudo
@json_option
@pass_settings
def upgrade(
    settings: Settings,
    names: tuple[str, ...],
    *,
    dry_run: bool,
    wheel: Path | None,
    wheels: Path | None,
    ask_sudo: bool,
    as_json: bool,
) -> int:
    """Bring hosts to this version of bgmon: the program, the daemon, and the proxy without a lost request.

    The version before it stays on the host until the next upgrade. A newer one is not gone back from.

    \b
    Examples:
      bgmon server upgrade all
      bgmon server upgrade vps1 --wheel bgmon-0.1.0-py3-none-any.whl
    """
    work = _Work(settings, names, dry_run=dry_run, ask_sudo=ask_sudo, as_json=as_json)
    return work.run(lambda servers, host: servers.upgrade(host), wheel=wheel, wheels=wheels)


@command.command("remove")
@_hosts_argument
@click.option("--services", "also_services", is_flag=True, help="Also the services that run there.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_dry_run
@_ask_sudo
@json_option
@pass_settings
def remove(
    settings: Settings,
    names: tuple[str, ...],
    *,
    also_services: bool,
    yes: bool,
    dry_run: bool,
    ask_sudo: bool,
    as_json: bool,
) -> int:
    """Take the project off hosts: its daemon, proxy, state and history, and bgmon where no other project uses it.

    Docker, images, volumes and logins stay. A host on which services run is refused without --services.

    \b
    Examples:
      bgmon server remove vps3 --dry-run
      bgmon server remove vps3 --services --yes
    """
    if not yes and not dry_run:
        if as_json or not sys.stdin.isatty():
            raise UsageError(f"this takes the project off {', '.join(names)}", hint="say so with --yes")
        click.confirm(f"Take the project and its history off {', '.join(names)}?", abort=True)
    work = _Work(settings, names, dry_run=dry_run, ask_sudo=ask_sudo, as_json=as_json)

    def plan(servers: Servers, host: str) -> list[Plan]:
        return servers.remove(host, also=also_services)

    return work.run(plan)


class _Work:
    """One of these commands, on all of its hosts at the same time."""

    def __init__(
        self, settings: Settings, names: tuple[str, ...], *, dry_run: bool, ask_sudo: bool, as_json: bool
    ) -> None:
        self._settings = settings
        self._app: App = settings.app()
        self._names = _chosen(self._app, names)
        self._dry_run = dry_run
        self._as_json = as_json
        self._password = _password() if ask_sudo else None

    def run(
        self,
        plan: Callable[[Servers, str], list[Plan]],
        *,
        wheel: Path | None = None,
        wheels: Path | None = None,
        logins: tuple[str, ...] = (),
        missing: int = 0,
    ) -> int:
        """The exit code: the highest of the hosts' errors, `missing` where something would be changed."""
        from monitor.bootstrap.servers import Servers, Wanted

        if wheels is not None and wheel is None:
            raise UsageError("--wheels goes with --wheel, the wheel of bgmon itself")
        hosts = self._app.hosts(sharing=True)
        try:
            servers = Servers(self._app, self._app.wiring, hosts, Wanted(wheel, wheels, logins))
            return self._each(servers, hosts, plan, missing)
        finally:
            hosts.close()

    def _each(
        self, servers: Servers, hosts: ProjectHosts, plan: Callable[[Servers, str], list[Plan]], missing: int
    ) -> int:
        from monitor.cli.fleetview import host_reporter

        for name in self._names:
            hosts.address(name)  # before anything is begun
        with host_reporter(self._names, as_json=self._as_json, verbose=self._settings.verbose) as tell:

            def one(host: str) -> Outcome:
                def told(step: str, state: StepState, text: str) -> None:
                    tell(host, {"event": "step", "step": step, "state": state, "text": f"{step}: {text}"})

                setup = servers.setup(host, told, password=self._password, dry_run=self._dry_run)
                return setup.run(plan(servers, host))

            with ThreadPoolExecutor(max_workers=min(len(self._names), _AT_ONCE)) as pool:
                outcomes = dict(zip(self._names, pool.map(one, self._names), strict=True))
        self._end(outcomes)
        codes = [outcome.error.exit_code for outcome in outcomes.values() if outcome.error is not None]
        return max([*codes, *[missing for outcome in outcomes.values() if outcome.changed]], default=0)

    def _end(self, outcomes: Mapping[str, Outcome]) -> None:
        """What was changed on each host, and which of them are not as wanted."""
        for host, outcome in outcomes.items():
            error = outcome.error
            if self._as_json:
                document: dict[str, Any] = {"event": "server", "host": host, "ok": error is None}
                document |= {"dry_run": self._dry_run, "changed": outcome.changed, "notes": outcome.notes}
                if error is not None:
                    document |= {"error": str(error), "hint": error.hint, "exit": error.exit_code}
                emit_event(document)
                continue
            verb = "would be changed" if self._dry_run else "changed"
            click.secho(f"{host}: ", bold=True, nl=False)
            click.echo(f"{len(outcome.changed)} things {verb}" if outcome.changed else f"nothing {verb}")
            for text in outcome.changed:
                click.echo(f"  - {text}")
            if error is not None:
                click.secho("error: ", fg="red", bold=True, nl=False, err=True)
                click.echo(str(error) if str(error).startswith(host) else f"{host}: {error}", err=True)
                if error.hint:
                    click.echo(f"  -> {error.hint}", err=True)


def _chosen(app: App, names: tuple[str, ...]) -> list[str]:
    if "all" in names:
        found = [name for name, host in app.config.hosts.items() if host.ssh is not None]
        if not found:
            raise UsageError(f"{app.config_file.name} has no hosts with an ssh address", hint="declare them: hosts")
        return found
    return list(dict.fromkeys(names))


def _password() -> str:
    """From the environment, else asked for once; never an argument."""
    import os

    from monitor import masking

    given = os.environ.pop(_PASSWORD, None)  # not for the children
    if given is None:
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask for a password at", hint=f"set {_PASSWORD}")
        given = str(click.prompt("sudo's password there", hide_input=True))
    masking.learn({_PASSWORD: given})
    return given
