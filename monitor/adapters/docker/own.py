"""Making containers and knowing them again: the record decides, beside any engine."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from monitor.adapters.state.containers import SqliteContainers
from monitor.domain.containers import Container, ContainerSpec
from monitor.domain.names import KIND_ACCESS, LABEL_KIND, LABEL_MADE, proxy_container_name
from monitor.domain.own import ACCESS_ROLES, Made, Role
from monitor.errors import EngineError
from monitor.ports.engine import Engine

_LONGEST_CREATION: Final = 600.0  # seconds; after that, a container that was about to be made never came about


class RecordedContainers:
    """Fulfils ports.own.OwnContainers.

    Args:
        engine: asked for when it is needed.
        record: the project's.
        project: whose containers.
        proxy_folder: what only this project's proxy is given.
        now: unix seconds.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        record: SqliteContainers,
        project: str,
        proxy_folder: Path,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._record = record
        self._project = project
        self._proxy_folder = proxy_folder
        self._now = now

    def create(self, spec: ContainerSpec, role: Role, *, service: str = "", deploy: str = "") -> Container:
        token = secrets.token_hex(16)
        self._record.add(Made(token, role, service, deploy, self._now()))
        try:
            container = self._engine().create(replace(spec, labels={**spec.labels, LABEL_MADE: token}))
        except EngineError:  # it said no; an engine that did not answer may have made it
            self._record.drop(token)
            raise
        self._record.name(token, container.id)
        return container

    def remove(self, container: str) -> None:
        self._engine().remove(container)
        known = self._record.get(container)
        if known is not None:
            self._record.drop(known.token)

    def made(self, role: Role = "app", *, service: str | None = None, deploy: str | None = None) -> list[Made]:
        if role in ACCESS_ROLES:
            self._adopt()
        return [
            known
            for made in self._record.of_role(role)
            if service in (None, made.service) and deploy in (None, made.deploy)
            if (known := self._settled(made)) is not None
        ]

    def knows(self, container: str) -> Made | None:
        known = self._record.get(container)
        if known is None and self._adopt():
            known = self._record.get(container)
        return known

    def change_role(self, container: str, role: Role) -> None:
        self._record.change_role(container, role)

    def tidy(self) -> None:
        for made in self._record.all():
            known = self._settled(made)
            if known is not None and self._engine().inspect(known.id) is None:
                self._record.drop(known.token)

    def _settled(self, made: Made) -> Made | None:
        """With its id, which its maker may not have lived to write down; None when it was never made."""
        if made.id:
            return made
        found = self._engine().containers({LABEL_MADE: made.token})
        if found:  # whoever copied the labels did it later
            first = min(found, key=lambda container: container.created_at or 0.0)
            self._record.name(made.token, first.id)
            return replace(made, id=first.id)
        if self._now() - made.at > _LONGEST_CREATION:
            self._record.drop(made.token)
        return None

    def _adopt(self) -> bool:
        """Whether the proxy was taken over just now."""
        if self._record.ever_had_proxy():
            return False
        found = self._engine().inspect(proxy_container_name(self._project))
        if (
            found is None
            or found.project != self._project
            or found.labels.get(LABEL_KIND) != KIND_ACCESS
            or str(self._proxy_folder) not in found.mounts
        ):
            return False
        self._record.add(Made(f"proxy:{found.id}", "proxy", "", "", self._now(), found.id))
        return True
