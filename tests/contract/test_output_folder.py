"""What an output folder promises: the same of the disk and of the fake."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.adapters.host.outfolder import DiskFolder
from monitor.errors import GenerateError, LockedError
from monitor.ports.generate import OutputFolder
from monitor.testing.outfolder import FakeFolder


@pytest.fixture(params=["disk", "fake"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> OutputFolder:
    return DiskFolder(tmp_path / "not/there/yet") if request.param == "disk" else FakeFolder()


def test_what_is_written_can_be_read(folder: OutputFolder) -> None:
    assert folder.read("a/b.txt") is None
    folder.write("a/b.txt", b"one")
    folder.write("a/b.txt", b"two")
    assert folder.read("a/b.txt") == b"two"


def test_what_is_removed_is_gone_and_nobody_minds_twice(folder: OutputFolder) -> None:
    folder.write("a/b.txt", b"one")
    folder.remove("a/b.txt")
    folder.remove("a/b.txt")
    assert folder.read("a/b.txt") is None
    folder.write("a/c.txt", b"the folder may be needed again")
    assert folder.read("a/c.txt") == b"the folder may be needed again"


def test_one_run_at_a_time(folder: OutputFolder) -> None:
    with folder.lock(wait=0), pytest.raises(LockedError), folder.lock(wait=0):
        pass
    with folder.lock(wait=0):
        pass


def test_a_file_where_a_folder_should_be_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path)
    folder.write("a", b"")
    with pytest.raises(GenerateError, match=r"a/b.*cannot be written"):
        folder.write("a/b", b"")
    assert folder.read("a/b") is None


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/inside").write_text("x")
    with pytest.raises(GenerateError, match=r"cannot be written: Is a directory"):
        folder.write("a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_folders_left_empty_go_with_their_last_file_but_others_stay(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path)
    for path in ("a/b/one", "a/two"):
        folder.write(path, b"")
    folder.remove("a/b/one")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["two"]


@pytest.mark.parametrize(
    "path", ["../secret", "a/../../secret", "link", "linked/secret", "circle", "/etc/passwd", "nul\0"]
)
def test_no_path_and_no_link_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    """A pull request may bring links, and a manifest that names any path."""
    secret = tmp_path / "secret"
    secret.write_text("s3cr3t")
    root = tmp_path / "out"
    root.mkdir()
    (root / "link").symlink_to(secret)
    (root / "linked").symlink_to(tmp_path)
    (root / "circle").symlink_to("circle")
    folder = DiskFolder(root)
    for act in (folder.read, folder.remove, lambda path: folder.write(path, b"x")):
        with pytest.raises(GenerateError, match="leads out of"):
            act(path)
    assert secret.read_text() == "s3cr3t"


def test_a_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    DiskFolder(tmp_path / "out").write("a/b", b"x")
    assert (tmp_path / "real/a/b").read_bytes() == b"x"
