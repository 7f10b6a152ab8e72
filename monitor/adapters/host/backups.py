"""Backups as folders below the state folder, named by the time at which they were begun."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from monitor.errors import BgmonError


class BackupFolders:
    """Fulfils ports.backups.Backups: `root`/ACCESSORY/20261127T030000Z. Only their owner reads them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def begin(self, accessory: str, at: float) -> str:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        path = self._root / accessory / stamp
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(0o777)  # whoever the image runs as writes here; the folder above lets nobody else in
        except OSError as error:
            raise BgmonError(f"{path}: {error.strerror}") from None
        return str(path)

    def is_empty(self, path: str) -> bool:
        return not any(item.is_dir() or item.stat().st_size > 0 for item in Path(path).iterdir())

    def discard(self, path: str) -> None:
        shutil.rmtree(path, ignore_errors=True)

    def keep(self, accessory: str, newest: int) -> None:
        made = sorted(path for path in (self._root / accessory).iterdir() if path.is_dir())
        for old in made[:-newest]:
            self.discard(str(old))
