"""Finds the data folders (`dashboards`, `alert-rules`, `promtail`): inside the wheel, or at the top of a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from monitor.errors import BgmonError


def assets(folder: str) -> Path:
    """The shipped data folder of that name.

    Raises:
        BgmonError: the installation is incomplete.
    """
    package = Path(str(files("monitor")))
    for root in (package / "_assets", package.parent):
        if (root / folder).is_dir():
            return root / folder
    raise BgmonError(f"the data folder {folder!r} is missing from this installation", hint="install bgmon again")
