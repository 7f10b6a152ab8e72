"""Secret values: from the environment or .bgmon/secrets; kept per release in files that only the owner reads."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from monitor import masking
from monitor.adapters.host import privatefile
from monitor.errors import StateError, UsageError

_DEPLOY_ID: Final = re.compile(r"[A-Za-z0-9._-]+")


class FileSecrets:
    """The Secrets port.

    Args:
        source: the file with NAME=value lines, by convention `.bgmon/secrets` beside bgmon.yml.
        store: the folder where the values of each release are kept (0700, files 0600), so that a rollback or a
            container that must be made again gets what it was deployed with.
        environ: the environment, which wins over the file.
    """

    def __init__(self, source: Path, store: Path, environ: Mapping[str, str]) -> None:
        self._source = source
        self._store = store
        self._environ = environ
        self._seen: object = None

    def resolve(self, names: tuple[str, ...]) -> dict[str, str]:
        missing = [name for name in names if name not in self._environ]
        from_file = _read(self._source) if missing else {}
        values = {name: self._environ[name] if name in self._environ else from_file.get(name) for name in names}
        unset = [name for name, value in values.items() if value is None]
        if unset:
            raise UsageError(
                f"secret {', '.join(unset)}: neither in the environment nor in {self._source}",
                hint=f"set it for this command, or add NAME=value to {self._source} (chmod 600)",
            )
        found = {name: value for name, value in values.items() if value is not None}
        masking.learn(found)
        return found

    def keep(self, deploy: str, values: Mapping[str, str]) -> None:
        if not values:
            return
        path = self._path(deploy)
        try:
            self._store.mkdir(parents=True, exist_ok=True, mode=0o700)
            privatefile.replace(path, json.dumps(dict(values)).encode())
        except OSError as error:
            raise StateError(f"{self._store}: {error.strerror}") from None

    def kept(self, deploy: str) -> dict[str, str] | None:
        try:
            values: dict[str, str] = json.loads(self._path(deploy).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            raise StateError(f"{self._store}: {error.strerror}") from None
        masking.learn(values)
        return values

    def drop(self, deploy: str) -> None:
        for path in (self._path(deploy), privatefile.unfinished(self._path(deploy))):
            with contextlib.suppress(OSError):  # what cannot be removed now is readable by its owner alone
                path.unlink(missing_ok=True)

    def teach(self, names: Iterable[str]) -> None:
        """Have every value masked that can be found: of `names` in the environment, in the file, kept with a release.

        Other processes deploy, too: the folder's and the file's times say when there is something new. What cannot be
        read is left out: this is asked for each text that is to be masked, and must not fail.
        """
        given = {name: self._environ[name] for name in names if name in self._environ}
        stamp = (_changed(self._source), _changed(self._store), given)
        if stamp == self._seen:
            return
        self._seen = stamp
        for path in sorted(self._store.glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                masking.learn(json.loads(path.read_text(encoding="utf-8")))
        with contextlib.suppress(UsageError):
            masking.learn(_read(self._source))
        masking.learn(given)

    def _path(self, deploy: str) -> Path:
        assert _DEPLOY_ID.fullmatch(deploy), "deploy ids are made by bgmon"
        return self._store / f"{deploy}.json"


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(path: Path) -> dict[str, str]:
    """NAME=value lines; blank lines and lines that begin with # are skipped, one pair of quotes is taken off.

    Raises:
        UsageError: others may read the file, or a line is no NAME=value. Values are never quoted in the message.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} may be read by others", hint=f"chmod 600 {path}")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.removeprefix("export ").partition("=")
        if not equals:
            raise UsageError(f"{path}:{number}: is not of the form NAME=value")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values
