"""What the watchdog asks of deploys."""

from __future__ import annotations

from typing import Protocol


class Deployer(Protocol):
    """Each call takes the service's lock itself; raises LockedError when somebody else holds it."""

    def recreate(self, service: str) -> None:
        """Run the active release again, from its record, where its container is gone or beyond a restart."""
        ...

    def rollback(self, service: str, reason: str, bad: str) -> str:
        """Swap back to the last good release before the one that deploy `bad` brought; its version.

        Raises UsageError without one, and when `bad` is not the active one any more.
        """
        ...

    def recover(self) -> list[str]:
        """Finish or undo what killed deploys left; one line for each."""
        ...

    def reroute(self) -> list[str]:
        """Make the running proxy match the record; one line for each service that did not."""
        ...
