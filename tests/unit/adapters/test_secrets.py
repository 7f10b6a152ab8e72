"""Secret values."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.adapters.host.secrets import FileSecrets
from monitor.errors import UsageError


def secrets(folder: Path, text: str | None = None, mode: int = 0o600, **environ: str) -> FileSecrets:
    source = folder / "secrets"
    if text is not None:
        source.write_text(text)
        source.chmod(mode)
    return FileSecrets(source, folder / "kept", environ)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    found = secrets(tmp_path, "# comment\nA=file\nexport B='quoted value'\n\nC=x=y\n", A="environment")
    assert found.resolve(("A", "B", "C")) == {"A": "environment", "B": "quoted value", "C": "x=y"}


def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="secret A, B") as caught:
        secrets(tmp_path).resolve(("A", "B"))
    assert "chmod 600" in caught.value.hint


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="may be read by others"):
        secrets(tmp_path, "A=1\n", mode=0o644).resolve(("A",))


def test_a_line_without_a_name_is_refused_without_quoting_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="secrets:1: is not of the form") as caught:
        secrets(tmp_path, "hunter2hunter2\n").resolve(("A",))
    assert "hunter2" not in str(caught.value)


def test_values_are_kept_for_the_owner_alone_until_dropped(tmp_path: Path) -> None:
    store = secrets(tmp_path)
    store.keep("core-1", {"A": "1"})
    file = tmp_path / "kept" / "core-1.json"
    assert store.kept("core-1") == {"A": "1"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    store.drop("core-1")
    assert store.kept("core-1") is None
    store.drop("core-1")
