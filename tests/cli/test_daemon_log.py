"""How `bgmon watch` writes its own log."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from monitor.cli import watch


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    watch._log(0, once=False, as_json=True)
    log = logging.getLogger("monitor.services.x")
    log.info('core "died"\nat once')
    try:
        raise ValueError("no room")
    except ValueError:
        log.exception("saving failed")
    log.debug("too much")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {"level": "INFO", "logger": "monitor.services.x", "message": 'core "died"\nat once'}
    assert (second["level"], second["message"]) == ("ERROR", "saving failed")
    assert "ValueError: no room" in second["exception"]


def test_text_has_a_time_unless_the_journal_has(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    watch._log(0, once=False, as_json=False)
    logging.getLogger("monitor").info("up")
    logging.getLogger().handlers.clear()
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    watch._log(0, once=False, as_json=False)
    logging.getLogger("monitor").info("up")
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \S+ INFO up", first)
    assert second == "INFO up"
