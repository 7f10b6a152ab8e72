"""What is pushed to a host that gets bgmon: its wheel and those of its locked dependencies, or the list of them."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

from monitor.domain.hostsetup import number, platforms
from monitor.errors import BgmonError, UsageError

_PIP: Final = (sys.executable, "-P", "-m", "pip")
_QUIET: Final = ("--quiet", "--disable-pip-version-check", "--no-input")


def lock() -> bytes:
    """The versions and hashes of everything that bgmon needs at run time.

    Raises BgmonError when the installation is incomplete.
    """
    path = Path(str(files("monitor"))) / "requirements.lock"
    try:
        return path.read_bytes()
    except OSError as error:
        raise BgmonError(f"{path}: {error.strerror}", hint="install bgmon again") from None


def locked_list() -> bytes:
    """A tar for hosts that have an index: the list alone."""
    return _tar([("requirements.lock", lock())])


def pushed(wheel: Path, others: Path | None, *, python: str, machine: str, libc: str) -> bytes:
    """A tar for hosts without one: bgmon's wheel and all others.

    Args:
        wheel: bgmon's.
        others: a folder with the wheels of the dependencies; None: they are got from the index of this machine, and
            held against their hashes.
        python: the host's version.
        machine: its architecture, as uname has it.
        libc: its version of glibc.

    Raises:
        UsageError: there is no pip here, or the folder holds no wheel.
        BgmonError: they cannot be got.
    """
    if others is not None:
        found = sorted(path for path in others.glob("*.whl") if path.name != wheel.name)
        if not found:
            raise UsageError(f"{others}: no wheels there", hint="fill it: pip download -d FOLDER bgmon")
        return _tar((path.name, path.read_bytes()) for path in (wheel, *found))
    with tempfile.TemporaryDirectory(prefix="bgmon-wheels-") as name:
        folder = Path(name)
        _download(folder, python, machine, libc)
        return _tar((path.name, path.read_bytes()) for path in (wheel, *sorted(folder.glob("*.whl"))))


def _download(folder: Path, python: str, machine: str, libc: str) -> None:
    if importlib.util.find_spec("pip") is None:
        raise UsageError(
            "there is no pip beside this bgmon to get the dependencies with",
            hint="get them elsewhere (pip download -d FOLDER bgmon) and give the folder: --wheels FOLDER",
        )
    (folder / "requirements.lock").write_bytes(lock())
    major, minor = number(python)[:2]
    tags = ["--python-version", f"{major}.{minor}", "--implementation", "cp"]
    tags += [word for abi in (f"cp{major}{minor}", "abi3", "none") for word in ("--abi", abi)]
    tags += [word for tag in platforms(machine, libc) for word in ("--platform", tag)]
    listed = ["--no-deps", "--require-hashes", "-r", str(folder / "requirements.lock"), "-d", str(folder)]
    _pip(["download", *_QUIET, *tags, *listed])
    for source in folder.glob("*.tar.gz"):  # some publish no wheel; its hash was looked at
        _pip(["wheel", *_QUIET, "--no-deps", "-w", str(folder), str(source)])
    strange = [path.name for path in folder.glob("*-linux_*.whl")]
    if strange:
        raise BgmonError(f"{', '.join(strange)}: built for this machine", hint="give wheels for the host: --wheels")


def _pip(words: list[str]) -> None:
    done = subprocess.run([*_PIP, *words], capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        last = [line for line in done.stderr.strip().splitlines() if line.startswith("ERROR")] or ["it said nothing"]
        raise BgmonError(f"pip {words[0]}: {last[0]}", hint="get the wheels elsewhere, and give them: --wheels FOLDER")


def _tar(items: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in items:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
