"""The fate of generated files, as a function."""

from __future__ import annotations

import pytest

from monitor.domain.boards.generated import (
    MOST_TOMBSTONES,
    FileFate,
    Manifest,
    digest,
    file_fates,
    tombstones,
    untouched,
)

OLD, NEW, HAND = b"old", "new", b"by hand"
OURS = Manifest({"f": digest(OLD)})
CUT_OFF = Manifest({"f": digest(b"older")}, {"f": digest(OLD)})


def no_file(name: str) -> bytes | None:
    return None


@pytest.mark.parametrize(
    ("there", "wanted", "manifest", "force", "fate"),
    [
        (None, NEW, Manifest(), False, "new"),
        (None, NEW, OURS, False, "new"),
        (OLD, NEW, OURS, False, "changed"),
        (NEW.encode(), NEW, OURS, False, "same"),
        (NEW.encode(), NEW, Manifest(), False, "same"),  # the manifest was lost: adopted
        (HAND, NEW, OURS, False, "edited"),
        (HAND, NEW, OURS, True, "changed"),
        (HAND, NEW, Manifest(), False, "foreign"),
        (HAND, NEW, Manifest(), True, "foreign"),  # force is for what was ours
        (OLD, NEW, CUT_OFF, False, "changed"),
        (b"older", NEW, CUT_OFF, False, "changed"),
        (HAND, NEW, CUT_OFF, False, "edited"),
        (b"", NEW, OURS, False, "changed"),  # a power cut
        (OLD, None, OURS, False, "gone"),
        (HAND, None, OURS, False, "left"),
        (HAND, None, OURS, True, "gone"),
    ],
)
def test_fates(there: bytes | None, wanted: str | None, manifest: Manifest, force: bool, fate: FileFate) -> None:
    files = {} if there is None else {"f": there}
    (change,) = file_fates({} if wanted is None else {"f": wanted}, files.get, manifest, force=force)
    assert change.fate == fate
    assert change.hash == (digest(wanted.encode()) if wanted is not None else "")


def test_what_is_gone_already_is_no_change() -> None:
    assert file_fates({}, no_file, OURS) == []


def test_untouched_only_when_every_file_is_as_it_was_left() -> None:
    assert untouched({"f": OLD}.get, OURS) is not None
    assert untouched({"f": HAND}.get, OURS) is None
    assert untouched(no_file, OURS) is None
    assert untouched({"f": OLD}.get, CUT_OFF) is None
    assert untouched(no_file, Manifest()) is None


def test_tombstones_are_kept_until_the_name_is_used_again() -> None:
    first = Manifest(names={"rules": ("a", "b")})
    graves = tombstones(first, {"rules": ("b", "c")})
    assert graves == {"rules": ("a",)}
    second = Manifest(names={"rules": ("b", "c")}, tombstones=graves)
    assert tombstones(second, {"rules": ("c",)}) == {"rules": ("a", "b")}
    assert tombstones(second, {"rules": ("a", "b", "c")}) == {}
    assert tombstones(second, {}) == {"rules": ("a", "b", "c")}


def test_tombstones_are_bounded() -> None:
    many = Manifest(tombstones={"rules": tuple(f"{number:05}" for number in range(MOST_TOMBSTONES + 10))})
    assert len(tombstones(many, {"rules": ()})["rules"]) == MOST_TOMBSTONES
