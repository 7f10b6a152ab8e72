"""The tests of Docker and HAProxy on each version that Debian carries: `make matrix`, or `make matrix ROWS=trixie,sid`.

Each row runs tests/contract, tests/engine, tests/proxy and tests/deploy on a Docker engine of its own with the HAProxy
of the same Debian release, as a process and as an image, and tests/unit on that release's Python. The table goes to
standard output and to bench/results/matrix.json; the exit code is 1 when a row failed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import kamal_oracle, suites  # noqa: E402

FOLDERS = ("tests/contract", "tests/engine", "tests/proxy", "tests/deploy")
RESULT = ROOT / "bench" / "results" / "matrix.json"
HOST = "host"  # this machine's own programs


@dataclass
class Row:
    """One release of Debian: its versions, and how many tests passed and failed on them."""

    suite: str
    docker: str
    haproxy: str
    python: str
    passed: int = 0
    failed: int = 0
    python_passed: int = 0
    python_failed: int = 0
    seconds: float = 0.0


def main(arguments: list[str]) -> int:
    wanted = arguments or [HOST, *suites.SUITES]
    rows = []
    for suite in wanted:
        began = time.monotonic()
        row = _versions(suite)
        print(f"== {suite}: Docker {row.docker}, HAProxy {row.haproxy}, Python {row.python}", flush=True)
        row.passed, row.failed = _engine_tests(suite)
        if suite != HOST:
            row.python_passed, row.python_failed = _unit_tests(suite)
        row.seconds = round(time.monotonic() - began)
        rows.append(row)
    RESULT.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print("\n| Docker | HAProxy | passed | failed | Python | unit tests passed | failed |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.docker} | {row.haproxy} | {row.passed} | {row.failed} | {row.python} | {row.python_passed or '-'} "
            f"| {row.python_failed if row.python_passed else '-'} |"
        )
    if kamal_oracle.main(["--check"]):
        return 1
    return 1 if any(row.failed or row.python_failed or not row.passed for row in rows) else 0


def _versions(suite: str) -> Row:
    if suite != HOST:
        names = ("docker.io", "haproxy", "python3")
        docker, haproxy, python = (suites.version(suite, name) for name in names)
        return Row(suite, docker, haproxy, python)
    docker = _first_number(["dockerd", "--version"])
    return Row(suite, docker, _first_number(["haproxy", "-v"]), ".".join(map(str, sys.version_info[:3])))


def _first_number(command: list[str]) -> str:
    found = re.search(r"\d+\.\d+\.\d+", subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found is not None, command
    return found[0]


def _engine_tests(suite: str) -> tuple[int, int]:
    environ = {**os.environ}
    if suite != HOST:
        environ.pop("DOCKER_HOST", None)
        environ |= {"BGMON_ENGINE_SUITE": suite, "BGMON_HAPROXY_SUITE": suite}
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", *FOLDERS]
    return _counted([sys.executable, "tools/engine.py", "run", "--", *pytest], environ)


def _unit_tests(suite: str) -> tuple[int, int]:
    """On the suite's Python, in an environment of its own beside the suite's root."""
    folder = suites.FOLDER / f"{suite}-venv"
    lock = (ROOT / "requirements.lock").read_bytes()
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_bytes() != lock:
        _inside(suite, ["/usr/bin/python3", "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        _inside(suite, [*pip, "--require-hashes", "-r", "requirements.lock"])
        stamp.write_bytes(lock)
    command = [
        str(folder / "bin/python"),
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
        "-m",
        "not tools",
        "tests/unit",
    ]
    return _counted(suites.command(suite, command), {**os.environ, "PYTHONPATH": str(ROOT)})


def _inside(suite: str, command: list[str]) -> None:
    subprocess.run(suites.command(suite, command), cwd=ROOT, check=True)


def _counted(command: list[str], environ: dict[str, str]) -> tuple[int, int]:
    """How many tests passed and failed; what failed is shown. A run that ended in another way counts as one failure."""
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    print(*(line for line in lines if line.startswith(("FAILED", "ERROR"))), *lines[-1:], sep="\n", flush=True)
    counts = {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", lines[-1] if lines else "")
    }
    failed = counts.get("failed", 0) + counts.get("error", 0)
    return counts.get("passed", 0), failed or (1 if done.returncode else 0)


if __name__ == "__main__":
    try:
        sys.exit(main([row for argument in sys.argv[1:] for row in argument.split(",") if row]))
    except suites.SuiteError as problem:
        print(f"matrix: {problem}", file=sys.stderr)
        sys.exit(1)
