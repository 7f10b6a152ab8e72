"""The access log of a proxy that runs as a process, written, rotated and cut while it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.adapters.docker.log_source.accessfile import AccessFile
from monitor.adapters.docker.log_source.source import DockerLogSource
from monitor.adapters.docker.log_source.transport import EngineHttp
from monitor.domain.logs.rules import LogRule
from monitor.errors import SourceError


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_whole_lines_come_once_whatever_rotation_does(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessFile(path)
    assert log.read(None) == ([], None, False)
    append(path, "1\n2\nhal")
    lines, at, _ = log.read(None)
    assert lines == [b"1", b"2"]
    append(path, "f\n")
    lines, at, _ = log.read(at)
    assert lines == [b"half"]
    assert log.read(at)[:2] == ([], at)
    append(path, "last of the old\n")
    path.rename(tmp_path / "access.log.1")
    append(path, "first of the new\n")
    lines, at, _ = log.read(at)
    assert lines == [b"last of the old", b"first of the new"]
    path.write_text("cut\n")  # copied and emptied: the same file, but shorter
    assert log.read(at)[0] == [b"cut"]


def test_a_window_of_lines_without_times_is_refused_in_words(tmp_path: Path) -> None:
    source = DockerLogSource(
        EngineHttp("unix:///none"), "p", {"core": LogRule()}, lambda _: None, access_file=tmp_path / "access.log"
    )
    with pytest.raises(SourceError, match="holds no times"):
        source.window(["core"], 0, 1)


def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Is a directory|directory"):
        AccessFile(tmp_path).read(None)
