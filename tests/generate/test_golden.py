"""The generated files of the sample project, byte for byte. `make golden` writes them anew; git shows what changed."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.generated import shop

GOLDEN = Path(__file__).parent.parent / "golden/shop"


def test_the_sample_project_s_files_are_as_they_were() -> None:
    files = {path: text.encode() for path, text in shop().files.items()}
    there = {str(path.relative_to(GOLDEN)): path for path in GOLDEN.rglob("*") if path.is_file()}
    if os.environ.get("UPDATE_GOLDEN"):
        for name in set(there) - set(files):
            there[name].unlink()
        for name, content in files.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_bytes(content)
        return
    assert set(there) == set(files), "refresh with: make golden"
    changed = [name for name, path in there.items() if path.read_bytes() != files[name]]
    assert not changed, f"refresh with: make golden ({', '.join(changed)})"


def test_the_same_input_gives_the_same_bytes() -> None:
    assert shop().files == shop().files
