"""What people are told of a deploy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.domain.deploy.news import news
from monitor.domain.deploy.records import DeployRecord

RECORD = DeployRecord("core-1", "core", "deploy", "core:2", "2", "ann", 1.0, 2.0, "deployed")


@pytest.mark.parametrize(
    ("changes", "kind", "summary"),
    [
        ({}, "deployed", "core now runs 2 (ann)"),
        ({"kind": "rollback"}, "deployed", "core rolled back to 2 (ann)"),
        ({"result": "failed"}, "deploy-failed", "the deploy of 2 by ann failed; what served before serves on"),
        ({"result": "switched-back"}, "deploy-failed", "the deploy of 2 by ann was switched back"),
    ],
)
def test_news_of_a_deploy(changes: dict[str, str], kind: str, summary: str) -> None:
    told = news(replace(RECORD, **changes))  # type: ignore[arg-type]
    assert told is not None
    assert (told.kind, told.summary, told.service) == (kind, summary, "core")


@pytest.mark.parametrize("changes", [{"kind": "recreate"}, {"result": None}, {"result": "aborted"}])
def test_what_is_no_news(changes: dict[str, str | None]) -> None:
    assert news(replace(RECORD, **changes)) is None  # type: ignore[arg-type]
