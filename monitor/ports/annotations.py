"""Marks on boards: a deploy, told to whoever keeps such marks."""

from __future__ import annotations

from typing import Protocol

from monitor.domain.deploy.records import DeployRecord


class Annotations(Protocol):
    def announce(self, record: DeployRecord) -> list[str]:
        """Tell everybody of a deploy that has ended. Never raises: what went wrong is returned, in words.

        Takes a few seconds at most. Deploys must not fail, and not wait, for marks.
        """
        ...
