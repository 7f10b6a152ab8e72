"""The examples in the docstrings of the log modules are true."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = (
    "monitor.domain.logs.counts",
    "monitor.domain.logs.rules",
    "monitor.domain.logs.lines",
    "monitor.domain.logs.logql",
    "monitor.domain.logs.ownformat",
    "monitor.config.logmatch",
    "monitor.services.logmetrics.explain",
    "monitor.adapters.docker.log_source.lines",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
