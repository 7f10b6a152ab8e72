"""The hosts of bgmon.yml, as commands reach them."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

from monitor.adapters.host import received
from monitor.adapters.host.locks import who
from monitor.adapters.ssh.client import Address, Connections, RemoteHost
from monitor.adapters.ssh.shell import RemoteShell
from monitor.bootstrap.paths import default_root
from monitor.domain.sealing import needed
from monitor.errors import BgmonError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.bootstrap.resources import Resources
    from monitor.bootstrap.wiring import Wiring
    from monitor.ports.hosts import OnPiece

_VARIABLE: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def names_of_this_host(project: str) -> set[str]:
    """What this machine may be called under `hosts`: BGMON_HOST, else its host name and what callers call it."""
    return received.names_here(default_root(), project)


class ProjectHosts:
    """The Hosts port. Hosts without an ssh address are this machine.

    Args:
        resources: the project.
        wiring: its bgmon.yml.
        sharing: whether commands share a connection to each host, until `close`.
    """

    def __init__(self, resources: Resources, wiring: Wiring, *, sharing: bool = False) -> None:
        self._resources = resources
        self._wiring = wiring
        self._here = names_of_this_host(resources.project)
        self._connections = Connections() if sharing else None

    def close(self) -> None:
        """End the shared connections."""
        if self._connections is not None:
            self._connections.close()

    def run(
        self,
        host: str,
        argv: Sequence[str],
        on_piece: OnPiece,
        *,
        services: Sequence[str] = (),
        job: str | None = None,
        stop: threading.Event | None = None,
        adopt: bool = False,
    ) -> int:
        if self._is_local(host):
            return _run_here(self._resources.config_file, host, argv, on_piece, stop)
        work = self._job(list(argv), host, services, adopt=adopt)
        return self._remote(host).run(work | {"id": job}, on_piece, stop=stop)

    def follow(self, host: str, job: str, on_piece: OnPiece) -> int | None:
        if self._is_local(host):
            return None
        return self._remote(host).follow(job, on_piece)

    def _is_local(self, host: str) -> bool:
        section = self._wiring.config.hosts.get(host)
        if section is None:
            known = ", ".join(self._wiring.config.hosts) or "none are declared"
            raise UsageError(f"{host!r} is no host of {self._resources.config_file.name}", hint=f"known: {known}")
        return section.ssh is None or host in self._here

    def address(self, host: str) -> Address:
        """How ssh reaches it. Raises UsageError for this machine, and for one that is no host."""
        if self._is_local(host):
            raise UsageError(f"{host} is this machine", hint="the command is for hosts that ssh reaches")
        section = self._wiring.config.hosts[host]
        assert section.ssh is not None
        return Address(host, section.ssh, section.options, section.jump, section.program)

    def shell(self, host: str, password: str | None) -> RemoteShell:
        """A shell there; `password` is what sudo is told. Only with shared connections."""
        assert self._connections is not None
        return RemoteShell(self.address(host), shared=self._connections.path, password=password)

    def variables(self) -> dict[str, str]:
        """Those that bgmon.yml names, as they are set here."""
        text = self._resources.config_file.read_text(encoding="utf-8")
        return {name: os.environ[name] for name in _VARIABLE.findall(text) if name in os.environ}

    def _remote(self, host: str) -> RemoteHost:
        section, address = self._wiring.config.hosts[host], self.address(host)
        shared = self._connections.path if self._connections else None
        return RemoteHost(address, shared=shared, patience=section.patience)

    def _job(self, argv: list[str], host: str, services: Iterable[str], *, adopt: bool) -> dict[str, Any]:
        """What a remote bgmon needs: the file, the variables it names, and for a deploy hooks and secrets as well."""
        text = self._resources.config_file.read_text(encoding="utf-8")
        environ = self.variables()
        deploys = argv[:1] == ["deploy"]
        adopt = adopt or deploys
        if deploys or (argv[:1] == ["rollback"] and "--current-config" in argv):
            for service in services:
                if service in self._wiring.specs:
                    environ |= self._resources.secrets.resolve(needed(self._wiring.specs[service]))
        return {
            "project": self._resources.project,
            "config": text,
            "adopt": adopt,
            "hooks": _hooks(self._resources.folder / ".bgmon" / "hooks") if adopt else {},
            "environ": environ,
            "argv": argv,
            "host": host,
            "who": f"{who()}@{socket.gethostname()}",
        }


def _hooks(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.glob("[!.]*") if path.is_file()]
    return {path.name: base64.b64encode(path.read_bytes()).decode() for path in paths}


def _run_here(
    config_file: Path, host: str, argv: Sequence[str], on_piece: OnPiece, stop: threading.Event | None
) -> int:
    """The command on this machine, as a process of its own: it goes on when its caller is killed."""
    command = [sys.executable, "-P", "-m", "monitor", "--config", str(config_file), *argv]
    try:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            env={**os.environ, "BGMON_HOST": host},
            start_new_session=True,
        )
    except OSError as error:
        raise BgmonError(f"{host}: {sys.executable} cannot be started: {error.strerror}") from None
    assert process.stdout is not None
    assert process.stderr is not None
    streams: tuple[tuple[str, IO[str]], ...] = (("out", process.stdout), ("err", process.stderr))
    threads = [threading.Thread(target=_pass_on, args=(stream, name, on_piece)) for name, stream in streams]
    for thread in threads:
        thread.start()
    try:
        return _await(process, lambda: stop is not None and stop.is_set())
    finally:
        for thread in threads:
            thread.join()
        process.stdout.close()
        process.stderr.close()


def _await(process: subprocess.Popen[str], stopped: Callable[[], bool]) -> int:
    asked = False
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=0.1)
        if stopped() and not asked:
            asked = True
            process.send_signal(signal.SIGTERM)


def _pass_on(stream: IO[str], name: str, on_piece: OnPiece) -> None:
    for line in stream:
        on_piece(name, line)
