"""Remembers the deploys it was told of."""

from __future__ import annotations

from monitor.domain.deploy.records import DeployRecord


class FakeAnnotations:
    def __init__(self, problem: str = "") -> None:
        self.told: list[DeployRecord] = []
        self.problem = problem

    def announce(self, record: DeployRecord) -> list[str]:
        self.told.append(record)
        return [self.problem] if self.problem else []
