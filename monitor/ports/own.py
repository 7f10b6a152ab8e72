"""The containers that bgmon made itself, by their recorded ids."""

from __future__ import annotations

from typing import Protocol

from monitor.domain.containers import Container, ContainerSpec
from monitor.domain.own import Made, Role


class OwnContainers(Protocol):
    """What every command asks before it acts on a container. Raises StateError, and what the engine raises."""

    def create(self, spec: ContainerSpec, role: Role, *, service: str = "", deploy: str = "") -> Container:
        """Create without starting, with the id on record when this returns. Raises Conflict when the name is taken."""
        ...

    def remove(self, container: str) -> None:
        """Remove by force, and forget; one that is gone is no error. `container` is an id."""
        ...

    def made(self, role: Role = "app", *, service: str | None = None, deploy: str | None = None) -> list[Made]:
        """What is on record, newest first; its container may be gone meanwhile.

        As long as no proxy was ever put on record, one of an earlier version, or of a state file that was lost, is
        taken over: the container that has the proxy's name and labels, and mounts the folder which only this project's
        proxy is given.
        """
        ...

    def knows(self, container: str) -> Made | None:
        """What is on record of the container with this id."""
        ...

    def change_role(self, container: str, role: Role) -> None: ...

    def tidy(self) -> None:
        """Forget what is on record of containers that are gone."""
        ...
