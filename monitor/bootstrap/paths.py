"""Where a project's state lives on this host."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.config.schema import Config


def state_root(config: Config, folder: Path) -> Path:
    """BGMON_STATE_DIR, else state.dir (relative to bgmon.yml), else /var/lib/bgmon for root, else the user's own.

    Raises UsageError for a folder that HAProxy's configuration cannot name.
    """
    given = os.environ.get("BGMON_STATE_DIR") or config.state.dir
    if given:
        path = (folder / given).expanduser()
        if re.search(r"[\x00-\x1f'\"\\\s]", str(path)):
            raise UsageError(f"state folder {str(path)!r}: spaces and quotes are not possible in it")
        return path
    return default_root()


def default_root() -> Path:
    """BGMON_STATE_DIR, else /var/lib/bgmon for root, else the user's own."""
    if os.environ.get("BGMON_STATE_DIR"):
        return Path(os.environ["BGMON_STATE_DIR"]).expanduser()
    if os.geteuid() == 0:
        return Path("/var/lib/bgmon")
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "bgmon"
