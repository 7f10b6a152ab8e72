"""What becomes of each generated file: decided from what is wanted, what is there, and what an earlier run left.

A file is ours when the manifest of an earlier run names it with the content that it still has. Anything else is a
person's: it is never written over, and never removed. A file of ours that a person edited is theirs too, until they
say `--force`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

FileFate = Literal["new", "changed", "same", "gone", "edited", "foreign", "left"]
CONFLICTS: Final[frozenset[FileFate]] = frozenset({"edited", "foreign"})
DRIFT: Final[frozenset[FileFate]] = frozenset({"new", "changed", "gone", "edited", "foreign"})
MOST_TOMBSTONES: Final = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """One file. `before` is what is there, `after` what is wanted; None is no file, or one that stays as it is.

    `hash` is that of what is wanted.

    new, changed, same: as it says. gone: ours, and no longer wanted. edited: ours, but changed by hand. foreign: never
    ours, and in the way. left: no longer wanted, but edited by hand, so it stays.
    """

    path: str
    fate: FileFate
    before: bytes | None = None
    after: str | None = None
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What earlier runs wrote: hashes of files, and names in Grafana.

    `inputs` is the hash of everything that the files were made from. `pending` holds the hashes of a run that did not
    end. `tombstones` are names that an earlier run gave to Grafana and that no file names any more.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tombstones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: str = ""

    def owns(self, path: str, content: bytes) -> bool:
        if path not in self.files and path not in self.pending:
            return False
        # A file that a power cut emptied is still ours.
        return not content or digest(content) in (self.files.get(path), self.pending.get(path))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file_fates(
    wanted: Mapping[str, str], read: Callable[[str], bytes | None], manifest: Manifest, *, force: bool = False
) -> list[Change]:
    """The fate of every file, by path. Contents are looked at one by one and kept only where they differ.

    Args:
        wanted: what this run makes.
        read: what the folder holds.
        manifest: what earlier runs left.
        force: write over files of ours that were edited by hand.
    """
    changes: list[Change] = []
    for path, text in wanted.items():
        before, after = read(path), text.encode()
        fate = _fate(path, before, after, manifest, force=force)
        if fate == "same":
            changes.append(Change(path, fate, hash=digest(after)))
        else:
            changes.append(Change(path, fate, before, text, digest(after)))
    for path in sorted({*manifest.files, *manifest.pending} - set(wanted)):
        before = read(path)
        if before is not None:
            fate = "gone" if force or manifest.owns(path, before) else "left"
            changes.append(Change(path, fate, before))
    return sorted(changes, key=lambda change: change.path)


def untouched(read: Callable[[str], bytes | None], manifest: Manifest) -> list[Change] | None:
    """Every file as `same`, where all are as the manifest has them; None where any is not."""
    if manifest.pending or not manifest.files:
        return None
    changes: list[Change] = []
    for path, known in sorted(manifest.files.items()):
        content = read(path)
        if content is None or digest(content) != known:
            return None
        changes.append(Change(path, "same", hash=known))
    return changes


def _fate(path: str, before: bytes | None, after: bytes, manifest: Manifest, *, force: bool) -> FileFate:
    if before is None:
        return "new"
    if before == after:
        return "same"
    if path not in manifest.files and path not in manifest.pending:
        return "foreign"
    return "changed" if force or manifest.owns(path, before) else "edited"


def tombstones(manifest: Manifest, now: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Names to take away from Grafana: those of earlier runs that are no longer used.

    They are kept for later runs, because nobody tells when Grafana has read the file; a name that is used again is no
    tombstone any more, and of too many the first in the alphabet go.
    """
    kinds = sorted({*manifest.names, *manifest.tombstones, *now})
    made: dict[str, tuple[str, ...]] = {}
    for kind in kinds:
        used = set(now.get(kind, ()))
        gone = sorted(({*manifest.names.get(kind, ())} | {*manifest.tombstones.get(kind, ())}) - used)
        if gone:
            made[kind] = tuple(gone[-MOST_TOMBSTONES:])
    return made
