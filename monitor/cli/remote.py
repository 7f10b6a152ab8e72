"""Commands on other hosts: what is sent along, and how answers of several hosts come together."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.domain.sealing import needed
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App

_VARIABLE: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def names_of_this_host() -> set[str]:
    """What this machine may be called under `hosts`: BGMON_HOST, else its host name."""
    given = os.environ.get("BGMON_HOST")
    return {given} if given else {socket.gethostname()}


def job(app: App, argv: list[str], host: str, services: Iterable[str]) -> dict[str, Any]:
    """What a remote bgmon needs: the file, the variables it names, and for a deploy the hooks and secrets as well."""
    text = app.config_file.read_text(encoding="utf-8")
    environ = {name: os.environ[name] for name in _VARIABLE.findall(text) if name in os.environ}
    adopt = argv[:1] == ["deploy"]
    if adopt or (argv[:1] == ["rollback"] and "--current-config" in argv):
        for service in services:
            if service in app.specs:
                environ |= app.secrets.resolve(needed(app.specs[service]))
    files: dict[str, str] = {}
    if adopt:
        for path in (app.folder / ".bgmon" / "hooks").glob("[!.]*"):
            if path.is_file():
                files[path.name] = base64.b64encode(path.read_bytes()).decode()
    return {
        "project": app.project,
        "config": text,
        "adopt": adopt,
        "hooks": files,
        "environ": environ,
        "argv": argv,
        "host": host,
    }


def run_remote(app: App, host: str, argv: list[str], services: Iterable[str] = ()) -> int:
    """Run a command on one host; its exit code. Raises UsageError, UnreachableError."""
    from monitor.adapters.ssh.client import run_on

    section = app.config.hosts.get(host)
    if section is None or section.ssh is None:
        known = ", ".join(name for name, item in app.config.hosts.items() if item.ssh) or "none"
        raise UsageError(f"{host!r} is no host with an ssh address", hint=f"known: {known}")
    work = job(app, argv, host, services)
    return run_on(section.ssh, work, click.echo, options=section.options, program=section.program)
