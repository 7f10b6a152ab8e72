"""`bgmon generate` for a thousand services: the whole command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.common import table, write_result

BGMON = Path(sys.executable).with_name("bgmon")
SERVICES = 1000
ROUNDS = 3
FIRST = 10.0  # seconds
MEMORY = 300  # MB


def config(services: int) -> str:
    lines = ["project: fleet", "services:"]
    for number in range(services):
        lines += [
            f"  service-{number}:",
            f"    image: reg.example.com/fleet/service-{number}",
            "    port: 3000",
            f"    route: {{host: s{number}.example.com, path: /}}",
            "    health: {path: /health, interval: 1s, timeout: 2s}",
            "    limits: {memory: 512m, cpus: 0.5, pids: 512}",
            f"    slo: {{availability: {(99, 99.5, 99.9)[number % 3]},",
            f"          latency: {{threshold: {(100, 250, 500)[number % 3]}ms, target: 99}}}}",
        ]
    return "\n".join(lines) + "\n"


def run(folder: Path, *arguments: str) -> tuple[float, float, float]:
    """Seconds, seconds of CPU, and the most memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen([BGMON, "generate", *arguments], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"bgmon generate {' '.join(arguments)} exited with {process.returncode}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> list[str]:
    firsts: list[tuple[float, float]] = []
    seconds: list[tuple[float, float]] = []
    checks: list[tuple[float, float]] = []
    most = 0.0
    files = size = 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="bgmon-bench-") as name:
            folder = Path(name)
            (folder / "bgmon.yml").write_text(config(SERVICES))
            for figures, arguments in ((firsts, ()), (seconds, ()), (checks, ("--check",))):
                took, cpu, memory = run(folder, *arguments)
                figures.append((took, cpu))
                most = max(most, memory)
            written = [path for path in (folder / "monitoring").rglob("*") if path.is_file()]
            files, size = len(written), sum(path.stat().st_size for path in written)
    (first, first_cpu), (second, second_cpu), (check, _) = min(firsts), min(seconds), min(checks)
    table(
        f"Generating for {SERVICES} services ({files} files, {size / 1e6:.0f} MB)",
        ["run", "seconds"],
        [["first", first], ["second, nothing changed", second], ["--check", check], ["most memory, MB", most]],
    )
    write_result(
        "generate",
        {
            "services": SERVICES,
            "files": files,
            "mb_written": round(size / 1e6, 1),
            "first_s": round(first, 2),
            "first_cpu_s": round(first_cpu, 2),
            "second_s": round(second, 2),
            "second_cpu_s": round(second_cpu, 2),
            "check_s": round(check, 2),
            "second_to_first": round(second / first, 2),
            "rss_mb": round(most),
        },
    )
    bounds = {
        f"first run {first:.1f} s, {FIRST:.0f} s allowed": first < FIRST,
        f"second run {second:.1f} s, half of the first is allowed": second < first / 2,
        f"--check {check:.1f} s, half of the first run is allowed": check < first / 2,
        f"{most:.0f} MB of memory, {MEMORY} allowed": most < MEMORY,
    }
    return [text for text, held in bounds.items() if not held]


if __name__ == "__main__":
    print(*main(), sep="\n")
