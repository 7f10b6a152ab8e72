"""Programs of newer Debian releases beside this machine's own: other versions of Docker and HAProxy for the tests.

    python tools/suites.py trixie          make the root file system, print its folder
    python tools/suites.py --list          suites and the versions they carry, of those that were made

A program of a suite runs in a mount namespace in which the suite's /usr lies over the machine's. Everything else
(/etc, /var, /run, /tmp, the checkout) is the machine's own, so paths mean the same inside and outside. Needs root and
mmdebstrap. Standard library alone.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("BGMON_SUITES") or ROOT / ".engine-suites")
MIRROR = "http://deb.debian.org/debian"
SUITES = ("trixie", "sid")
PACKAGES = "docker.io,haproxy,iptables,iproute2,procps,python3,python3-venv,ca-certificates"


class SuiteError(Exception):
    """Says in one line what the person must do."""


def ensure(suite: str, *, name: str | None = None, packages: str = PACKAGES, witness: str = "usr/sbin/haproxy") -> Path:
    """The suite's root file system, made once: half a minute. Raises SuiteError.

    Args:
        suite: Debian's release.
        name: its folder, the suite's by default.
        packages: what is in it.
        witness: a file that is there once it is whole.
    """
    if suite not in SUITES:
        raise SuiteError(f"unknown suite {suite!r}: one of {', '.join(SUITES)}")
    name = name or suite
    root = FOLDER / name
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (root / witness).exists():
            return root
        if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
            raise SuiteError("other versions of Docker and HAProxy need root and the Debian package mmdebstrap")
        half = FOLDER / f"{name}.half"
        shutil.rmtree(half, ignore_errors=True)
        command = ["mmdebstrap", "--variant=minbase", f"--include={packages}", "--quiet"]
        # The Release file of a mirror's copy of sid may be past its date.
        command += ['--aptopt=Acquire::Check-Valid-Until "false"', suite, str(half), MIRROR]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(half, ignore_errors=True)
            why = [line for line in done.stderr.splitlines() if line.startswith("E:")][-1:]
            raise SuiteError(f"mmdebstrap {suite}: {''.join(why) or done.stderr[-300:]}")
        half.rename(root)
    return root


def command(suite: str, words: list[str]) -> list[str]:
    """What runs `words` with the suite's /usr. The process that is started becomes the program: its pid is the same."""
    root = ensure(suite)
    inner = f'mount --bind {shlex.quote(str(root / "usr"))} /usr && exec "$@"'
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", inner, "sh", *words]


def wrapper(suite: str, program: str, folder: Path) -> Path:
    """An executable in `folder`, named as the program, that is the suite's own. Gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(program).name
    words = " ".join(shlex.quote(word) for word in command(suite, [program]))
    made = path.with_suffix(".new")
    made.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    made.chmod(0o755)
    made.rename(path)
    return path


def version(suite: str, package: str) -> str:
    """The version of a package in the suite, such as 3.0.11. Raises SuiteError."""
    root = ensure(suite)
    done = subprocess.run(
        ["dpkg-query", "--admindir", str(root / "var/lib/dpkg"), "-W", "-f", "${Version}", package],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SuiteError(done.stderr.strip())
    return done.stdout.rpartition(":")[2].partition("+")[0].partition("-")[0]


def main(arguments: list[str]) -> int:
    match arguments:
        case ["--list"]:
            for suite in SUITES:
                if (FOLDER / suite).is_dir():
                    print(suite, *(f"{package}={version(suite, package)}" for package in PACKAGES.split(",")[:2]))
            return 0
        case [suite] if not suite.startswith("-"):
            print(ensure(suite))
            return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SuiteError as problem:
        print(f"suites: {problem}", file=sys.stderr)
        sys.exit(1)
