"""`bgmon install`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.render.systemd import UnitFacts

UNITS: Final = "/etc/systemd/system"


@click.command("install")
@click.option("--write", is_flag=True, help="Write the unit instead of printing it.")
@click.option("--now", is_flag=True, help="Write it, and have it run from now on and after every boot.")
@click.option("--user", help="Who runs the daemon; the default is you.")
@click.option("--env-file", metavar="FILE", help="Variables of bgmon.yml, such as SLACK_URL; /etc/bgmon/PROJECT.env.")
@click.option("--directory", default=UNITS, show_default=True, help="Where units live.")
@json_option
@pass_settings
def command(
    settings: Settings, *, write: bool, now: bool, user: str | None, env_file: str | None, directory: str, as_json: bool
) -> None:
    """Print or install the daemon's systemd unit.

    \b
    Examples:
      bgmon install                        print it
      sudo bgmon install --now             write it, enable it and start it
      sudo bgmon install --write --user deploy
    """
    from monitor.render.systemd import render_unit, unit_name

    app = settings.app()
    name = unit_name(app.project)
    text = render_unit(_facts(app, user, env_file))
    path = Path(directory) / name
    changed = _write(path, text) if write or now else False
    if now:
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", name)
        if changed:
            _systemctl("restart", name)
    if as_json:
        emit_json({"unit": name, "path": str(path), "written": changed, "started": now, "text": text})
    elif now:
        click.echo(f"{name} runs; see: systemctl status {name}")
    elif write:
        click.echo(f"{path}: {'written' if changed else 'unchanged'}")
        click.echo(f"start it with: systemctl daemon-reload && systemctl enable --now {name}")
    else:
        click.echo(text, nl=False)


def _facts(app: App, user: str | None, env_file: str | None) -> UnitFacts:
    from monitor.bootstrap.paths import state_root
    from monitor.render.systemd import UnitFacts

    facts = UnitFacts(
        project=app.project,
        command=(sys.executable, "-P", "-m", "monitor"),  # -P: a folder `monitor` of the project's is not ours
        config_file=str(app.config_file),
        folder=str(app.folder),
        state_dir=str(state_root(app.config, app.folder).resolve()),
        user=user or _me(),
        docker_host=os.environ.get("DOCKER_HOST", ""),
        environment_file=str(Path(env_file or f"/etc/bgmon/{app.project}.env").absolute()),
        proxy_is_child=app.config.proxy.run == "process",
    )
    for value in (*facts.command, facts.config_file, facts.user, facts.docker_host, facts.environment_file):
        if any(ord(character) < ord(" ") for character in value):
            raise UsageError(f"{value!r} cannot stand in a unit")
    return facts


def _me() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _write(path: Path, text: str) -> bool:
    """Whether it had to be written. Raises BgmonError."""
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        raise BgmonError(
            f"{path}: {error.strerror}", hint="run it with sudo, or print the unit and install it"
        ) from None
    return True


def _systemctl(*arguments: str) -> None:
    program = shutil.which("systemctl")
    if program is None:
        raise BgmonError("systemctl is not there: this machine does not run systemd", hint="run: bgmon watch")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    if done.returncode:
        raise BgmonError(f"systemctl {' '.join(arguments)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
