"""A project that another host sent: its bgmon.yml and hooks, kept where the daemon of this host finds them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from monitor.domain.names import name_problem
from monitor.errors import UsageError

_NAME: Final = "host"


def given_name(root: Path, project: str) -> str | None:
    """What a project's last sender calls this host; None when there was none."""
    try:
        return (root / "projects" / project / _NAME).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def names_here(root: Path, project: str) -> set[str]:
    """What this machine may be called under `hosts`: BGMON_HOST, else its host name and what callers call it."""
    given = os.environ.get("BGMON_HOST")
    if given:
        return {given}
    called = given_name(root, project)
    return {socket.gethostname(), *([called] if called else [])}


def adopt(root: Path, project: str, config: str, hooks: Mapping[str, bytes] | None, host: str) -> Path:
    """Keep what another host sent; where bgmon.yml is now.

    Args:
        root: the state folder of all projects.
        project: whose.
        config: the text of bgmon.yml.
        hooks: the hooks by name. None for a command that changes nothing here: then the file is for this command alone,
            and to be removed by the caller.
        host: what the sender calls this host.

    Raises:
        UsageError: a name is not one that bgmon could have sent.
    """
    if name_problem(project) or name_problem(host) or any("/" in name or name.startswith(".") for name in hooks or ()):
        raise UsageError("this is no job of bgmon")
    folder = root / "projects" / project
    kept = folder / ".bgmon" / "hooks"
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    if given_name(root, project) != host:
        _put(folder / _NAME, host.encode(), mode=0o600)
    if hooks is None:
        own = folder / f"bgmon.{os.getpid()}.yml"
        own.write_text(config, encoding="utf-8")
        own.chmod(0o600)
        return own
    for old in kept.iterdir():
        if old.name not in hooks:
            old.unlink()
    for name, data in hooks.items():
        _put(kept / name, data, mode=0o700)
    return _put(folder / "bgmon.yml", config.encode(), mode=0o600)


def _put(path: Path, data: bytes, *, mode: int) -> Path:
    """Written beside and renamed: a hook that runs just now keeps the file it was started from."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_bytes(data)
    fresh.chmod(mode)
    return fresh.replace(path)
