"""Which services a change of files is about."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True)
class Built:
    """What a service is built of. Paths are seen from the folder of bgmon.yml."""

    context: str
    paths: tuple[str, ...] = ()
    dockerfile: str | None = None

    def watched(self) -> tuple[str, ...]:
        """The paths whose change makes a new image necessary."""
        if not self.paths:
            return (self.context,)
        return (*self.paths, posixpath.join(self.context, self.dockerfile or "Dockerfile"))


def touched(files: Iterable[str], paths: Sequence[str], folder: str = "") -> list[str]:
    """Those files that one of the paths holds.

    Args:
        files: seen from the root of the repository.
        paths: files, folders, or patterns in which `*` stands for anything, seen from `folder`.
        folder: where bgmon.yml is, seen from the root of the repository.
    """
    wanted = [posixpath.normpath(posixpath.join(folder, path)) for path in paths]
    return [file for file in files if any(_holds(path, file) for path in wanted)]


def _holds(path: str, file: str) -> bool:
    if path == ".":
        return True
    if any(character in path for character in "*?["):
        return fnmatchcase(file, path) or fnmatchcase(file, f"{path}/*")
    return file == path or file.startswith(f"{path}/")


def why_changed(files: Sequence[str], before: Any, now: Any) -> str:
    """The reason to deploy a service, in one line; empty when there is none.

    Args:
        files: those of its files that changed.
        before: its section of bgmon.yml then, as it was written; None when it was not there.
        now: its section now.
    """
    if files:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        return f"{files[0]}{more} changed"
    if before is None:
        return "is new in bgmon.yml"
    if before != now:
        keys = sorted(_differing(before, now))
        return f"its section of bgmon.yml changed ({', '.join(keys)})" if keys else "its section of bgmon.yml changed"
    return ""


def _differing(before: Any, now: Any) -> set[str]:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return set()
    return {str(key) for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
