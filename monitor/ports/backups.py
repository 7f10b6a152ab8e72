"""Where backups are put."""

from __future__ import annotations

from typing import Protocol


class Backups(Protocol):
    """Each backup is a folder of its own. Raises BgmonError where the disk does not go along."""

    def begin(self, accessory: str, at: float) -> str:
        """An empty folder for a backup that is made now: its path on this host."""
        ...

    def is_empty(self, path: str) -> bool: ...

    def discard(self, path: str) -> None:
        """Take one away that did not come about."""
        ...

    def keep(self, accessory: str, newest: int) -> None:
        """Take all but the newest away."""
        ...
