"""What git knows of the folder that bgmon.yml is in, asked of the program itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from monitor.errors import UsageError


class Git:
    """The repository that holds `folder`. Every method raises UsageError when git cannot answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prefix(self) -> str:
        """Where the folder is, seen from the root of the repository; empty for the root itself."""
        return self._ask("rev-parse", "--show-prefix").strip().rstrip("/")

    def commit(self) -> str:
        """The commit that is checked out."""
        return self._ask("rev-parse", "--verify", "HEAD^{commit}").strip()

    def resolve(self, revision: str) -> str | None:
        """The commit that a revision stands for; None when this clone does not have it."""
        done = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else None

    def changed(self, commit: str) -> list[str]:
        """Files that differ from a commit, those that are not committed yet among them, seen from the root."""
        tracked = self._ask("diff", "--name-only", "-z", "--no-renames", "--end-of-options", commit, "--")
        new = self._ask("ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/")
        return sorted({name for name in (tracked + new).split("\0") if name})

    def text(self, commit: str, path: str) -> str | None:
        """A file as it was at a commit; `path` is seen from the root. None when it was not there."""
        done = self._run("show", "--end-of-options", f"{commit}:{path}")
        return done.stdout if done.returncode == 0 else None

    def _ask(self, *words: str) -> str:
        done = self._run(*words)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
            raise UsageError(f"git {words[0]}: {said}", hint="run it inside a git repository that holds bgmon.yml")
        return done.stdout

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        try:
            return subprocess.run(  # noqa: S603 - a revision never counts as an option
                ["git", "-C", str(self._folder), *words],  # noqa: S607
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="surrogateescape",
                env=environ,
                check=False,
            )
        except OSError as error:
            raise UsageError(f"git cannot be started: {error.strerror}", hint="install git") from None
