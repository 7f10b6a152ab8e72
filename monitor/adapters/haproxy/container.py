"""HAProxy as a container on the host's own network."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from monitor.adapters.haproxy.runner import arguments, check_arguments, takeover_arguments, words
from monitor.domain.containers import ContainerSpec
from monitor.domain.names import KIND_ACCESS, LABEL_KIND, LABEL_PROJECT, LABEL_SERVICE, proxy_container_name
from monitor.errors import BgmonError, ProxyError
from monitor.ports.engine import Engine

_BINARY: Final = "haproxy"
_STOP_TIMEOUT: Final = 5.0
_CHECK_TIMEOUT: Final = 60.0
_RETIRE_TIMEOUT: Final = 5.0


class ContainerRunner:
    """It starts as root, to bind low ports on the host's network, and gives root up once it listens.

    The folder is mounted at its own path. The access log is the container's stdout, HAProxy's own messages its stderr.
    """

    def __init__(self, engine: Engine, project: str, folder: Path, image: str) -> None:
        self._engine = engine
        self._project = project
        self._folder = folder
        self._image = image
        self._name = proxy_container_name(project)
        self._previous = f"{self._name}-previous"
        self._marked: float | None = None

    def check(self, folder: Path) -> str:
        command = check_arguments(_BINARY, folder)
        if self.alive() and not self.outdated():
            code, output = self._engine.exec(self._name, command)
            return (words(output.decode(errors="replace")) or f"exit code {code}") if code else ""
        self._pull()
        name = f"{self._name}-check"
        self._engine.remove(name)
        try:
            self._engine.create(self._spec(name, command, restart="no", kind="check"))
            self._engine.start(name)
            until = time.monotonic() + _CHECK_TIMEOUT
            while (found := self._engine.inspect(name)) is not None and found.running:
                if time.monotonic() > until:
                    raise ProxyError(f"checking the configuration in {self._image} took over {_CHECK_TIMEOUT:g} s")
                time.sleep(0.02)
            said = self._log(name)
            if found is None:
                raise ProxyError(f"the container {name} went away while it checked the configuration")
            return (said or f"exit code {found.exit_code}") if found.exit_code else ""
        finally:
            self._engine.remove(name)

    def start(self) -> None:
        self._pull()
        self._guard()
        self._engine.remove(self._name)
        self._engine.create(self._spec(self._name, arguments(_BINARY, self._folder)))
        self._engine.start(self._name)

    def alive(self) -> bool:
        found = self._engine.inspect(self._name)
        return found is not None and found.running and found.project == self._project

    def mark(self) -> None:
        self._marked = time.time()

    def complaints(self) -> str:
        with suppress(BgmonError):
            return self._log(self._name)
        return ""

    def stop(self) -> None:
        self._guard()
        with suppress(BgmonError):
            self._engine.set_restart_policy(self._name, "no")
        with suppress(BgmonError):
            self._engine.kill(self._name, "SIGTERM")
        self._engine.stop(self._name, _STOP_TIMEOUT)
        self._engine.remove(self._name)
        self._engine.remove(self._previous)

    def outdated(self) -> bool:
        found = self._engine.inspect(self._name)
        wanted = self._engine.image(self._image)
        return found is not None and (wanted is None or found.image_id != wanted.id)

    def replace(self) -> None:
        self._pull()
        self._engine.remove(self._previous)
        self._engine.rename(self._name, self._previous)
        try:
            self._engine.create(self._spec(self._name, takeover_arguments(_BINARY, self._folder)))
            self._engine.start(self._name)
        except BgmonError:
            self._engine.remove(self._name)
            self._engine.rename(self._previous, self._name)
            raise

    def retire(self) -> None:
        self._engine.set_restart_policy(self._previous, "no")
        self._engine.kill(self._previous, "SIGUSR1")
        until = time.monotonic() + _RETIRE_TIMEOUT
        while time.monotonic() < until:
            found = self._engine.inspect(self._previous)
            if found is None or not found.running:
                break
            time.sleep(0.05)
        else:
            return  # it still carries WebSockets or downloads; the next start or removal takes it away
        self._engine.remove(self._previous)

    def _guard(self) -> None:
        """Raises ProxyError when a stranger's container has the proxy's name."""
        found = self._engine.inspect(self._name)
        if found is not None and found.project != self._project:
            raise ProxyError(
                f"the container {self._name} is not one of bgmon's", hint=f"rename it: docker rename {self._name} ..."
            )

    def _pull(self) -> None:
        if self._engine.image(self._image) is None:
            self._engine.pull(self._image)

    def _log(self, name: str) -> str:
        lines = self._engine.logs(name, tail=60, since=self._marked)
        return words("\n".join(line.decode(errors="replace") for line in lines))

    def _spec(
        self, name: str, command: tuple[str, ...], *, restart: str = "unless-stopped", kind: str = KIND_ACCESS
    ) -> ContainerSpec:
        return ContainerSpec(
            name=name,
            image=self._image,
            labels={LABEL_PROJECT: self._project, LABEL_SERVICE: "proxy", LABEL_KIND: kind},
            command=command,
            restart=restart,
            volumes=(f"{self._folder}:{self._folder}",),
            network="host",
            user="0:0",
            init=False,
        )
