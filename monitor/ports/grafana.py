"""Grafana, as far as boards are pushed to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class StoredBoard:
    """A board in Grafana. `message` was given when it was last saved; `provisioned` ones come from files."""

    board: dict[str, Any]
    version: int
    message: str
    folder: str
    provisioned: bool = False


class Grafana(Protocol):
    """Raises UnreachableError when it does not answer, GrafanaError when it says no."""

    def find(self, uid: str) -> StoredBoard | None: ...

    def save(self, board: dict[str, Any], *, folder: str, message: str, version: int | None, force: bool) -> None:
        """Over `version`, or as a new board when that is None. Raises BoardMoved, never with `force`."""
        ...

    def ensure_folder(self, uid: str, title: str) -> None: ...
