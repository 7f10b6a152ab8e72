"""HAProxy as a container on the host's own network."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from monitor.adapters.haproxy.runner import RUN, arguments, check_arguments, takeover_arguments, words
from monitor.domain.containers import Container, ContainerSpec
from monitor.domain.names import KIND_ACCESS, LABEL_KIND, LABEL_PROJECT, LABEL_SERVICE, proxy_container_name
from monitor.domain.own import Role
from monitor.errors import BgmonError, ProxyError
from monitor.ports.engine import Engine
from monitor.ports.own import OwnContainers

_BINARY: Final = "haproxy"
_STOP_TIMEOUT: Final = 5.0
_CHECK_TIMEOUT: Final = 60.0
_RETIRE_TIMEOUT: Final = 5.0


class ContainerRunner:
    """It starts as root, to bind low ports on the host's network, and gives root up once it listens.

    The folder is mounted at its own path. The access log is the container's stdout, HAProxy's own messages its stderr.
    Containers are told apart by their recorded ids; whatever else has one of the names that are needed is left alone,
    and is an error.
    """

    def __init__(self, engine: Engine, own: OwnContainers, project: str, folder: Path, image: str) -> None:
        self._engine = engine
        self._own = own
        self._project = project
        self._folder = folder
        self._image = image
        self._name = proxy_container_name(project)
        self._previous = f"{self._name}-previous"
        self._marked: float | None = None

    def check(self, folder: Path) -> str:
        command = check_arguments(_BINARY, folder)
        proxy = self._proxy()
        if proxy is not None and proxy.running and not self._outdated(proxy):
            code, output = self._engine.exec(proxy.id, command)
            return (words(output.decode(errors="replace")) or f"exit code {code}") if code else ""
        self._pull()
        name = f"{self._name}-check"
        self._clear(name, "proxy-check")
        made = self._own.create(self._spec(name, command, restart="no", kind="check"), "proxy-check")
        try:
            self._engine.start(made.id)
            until = time.monotonic() + _CHECK_TIMEOUT
            while (found := self._engine.inspect(made.id)) is not None and found.running:
                if time.monotonic() > until:
                    raise ProxyError(f"checking the configuration in {self._image} took over {_CHECK_TIMEOUT:g} s")
                time.sleep(0.02)
            if found is None:
                raise ProxyError(f"the container {name} went away while it checked the configuration")
            said = self._log(made.id)
            return (said or f"exit code {found.exit_code}") if found.exit_code else ""
        finally:
            self._own.remove(made.id)

    def start(self) -> None:
        self._pull()
        self._clear(self._name, "proxy")
        made = self._own.create(self._spec(self._name, arguments(_BINARY, self._folder)), "proxy")
        self._engine.start(made.id)

    def alive(self) -> bool:
        found = self._proxy()
        return found is not None and found.running

    def mark(self) -> None:
        self._marked = time.time()

    def complaints(self) -> str:
        with suppress(BgmonError):
            found = self._proxy()
            return self._log(found.id) if found is not None else ""
        return ""

    def stop(self) -> None:
        for made in self._own.made("proxy"):
            with suppress(BgmonError):
                self._engine.set_restart_policy(made.id, "no")
            with suppress(BgmonError):
                self._engine.kill(made.id, "SIGTERM")
            self._engine.stop(made.id, _STOP_TIMEOUT)
            self._own.remove(made.id)
        for made in self._own.made("proxy-previous"):
            self._own.remove(made.id)

    def outdated(self) -> bool:
        found = self._proxy()
        return found is not None and self._outdated(found)

    def replace(self) -> str:
        run = uuid.uuid4().hex
        self._pull()
        self._clear(self._previous, "proxy-previous")
        before = self._proxy()
        if before is None:
            raise ProxyError("the proxy's container is gone", hint="start it: bgmon proxy boot")
        self._engine.rename(before.id, self._previous)
        try:
            self._clear(self._name, "proxy")
            # Until this one is on record too, the one before stays the proxy; the newest is.
            made = self._own.create(
                replace(self._spec(self._name, takeover_arguments(_BINARY, self._folder)), env={RUN: run}), "proxy"
            )
            try:
                self._engine.start(made.id)
            except BgmonError:
                self._own.remove(made.id)
                raise
        except BgmonError:
            self._engine.rename(before.id, self._name)
            raise
        self._own.change_role(before.id, "proxy-previous")
        return run

    def retire(self) -> None:
        for made in self._own.made("proxy-previous"):
            if self._engine.inspect(made.id) is not None:
                self._retire(made.id)

    def _retire(self, previous: str) -> None:
        self._engine.set_restart_policy(previous, "no")
        self._engine.kill(previous, "SIGUSR1")
        until = time.monotonic() + _RETIRE_TIMEOUT
        while time.monotonic() < until:
            found = self._engine.inspect(previous)
            if found is None or not found.running:
                break
            time.sleep(0.05)
        else:
            return  # it still carries WebSockets or downloads; the next start or removal takes it away
        self._own.remove(previous)

    def _proxy(self) -> Container | None:
        """The recorded one, whatever it is called."""
        found = (self._engine.inspect(made.id) for made in self._own.made("proxy"))
        return next((container for container in found if container is not None), None)

    def _outdated(self, proxy: Container) -> bool:
        wanted = self._engine.image(self._image)
        return wanted is None or proxy.image_id != wanted.id

    def _clear(self, name: str, role: Role) -> None:
        """Remove what we made for this role and left, and have the name free.

        Raises ProxyError when it belongs to a container that we did not make, or made for something else.
        """
        holder = self._engine.inspect(name)
        leftovers = [made.id for made in self._own.made(role)] if role != "proxy" else []
        if holder is not None:
            known = self._own.knows(holder.id)
            if known is None or known.role != role:
                raise ProxyError(
                    f"the container {name} is not one of bgmon's: it is left alone",
                    hint=f"bgmon needs that name: docker rename {name} ..., or docker rm {name}",
                )
            leftovers.append(holder.id)
        for container in dict.fromkeys(leftovers):
            self._own.remove(container)

    def _pull(self) -> None:
        if self._engine.image(self._image) is None:
            self._engine.pull(self._image)

    def _log(self, container: str) -> str:
        lines = self._engine.logs(container, tail=60, since=self._marked)
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
