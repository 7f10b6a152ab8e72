"""What it costs to watch 500 services probed every 5 s, and 2,000 every 10 s: CPU, memory, late rounds."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.common import table, write_result

SHAPES = ((0, 5.0, 10.0), (100, 5.0, 20.0), (500, 5.0, 30.0), (2000, 10.0, 30.0))
MAX_CPU = 15.0
MAX_RSS = 120.0


@contextlib.contextmanager
def servers(count: int) -> Iterator[str]:
    """Their ports, as a JSON list."""
    command = [sys.executable, "-m", "bench.manyports", str(count)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def watch(services: int, interval: float, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.watching", str(interval), str(seconds)]
    with servers(services) as ports:
        done = subprocess.run(command, input=ports, stdout=subprocess.PIPE, text=True, check=True)
    return {"services": services, "interval": interval, **json.loads(done.stdout)}


def main() -> list[str]:
    shapes = [watch(*shape) for shape in SHAPES]
    columns = ["services", "interval", "cpu_percent", "rss_mb", "probes_per_second", "late"]
    table("watching services on loopback", columns, [[shape[column] for column in columns] for shape in shapes])
    empty, _, main_shape, large = shapes
    per_service = {
        "cpu_percent": round((large["cpu_percent"] - empty["cpu_percent"]) / large["services"], 5),
        "rss_kb": round((large["rss_mb"] - empty["rss_mb"]) / large["services"] * 1000, 1),
    }
    write_result(
        "probes",
        {
            **{key: main_shape[key] for key in ("services", "cpu_percent", "rss_mb", "late")},
            "interval": main_shape["interval"],
            "shapes": shapes,
            "per_service": per_service,
        },
    )
    broken = [f"{shape['services']} services: {shape['healthy']} healthy" for shape in shapes
              if shape["healthy"] != shape["services"]]  # fmt: skip
    if main_shape["cpu_percent"] >= MAX_CPU:
        broken.append(f"{main_shape['cpu_percent']} % of a core for 500 services, {MAX_CPU} % are allowed")
    if main_shape["rss_mb"] >= MAX_RSS:
        broken.append(f"{main_shape['rss_mb']} MB for 500 services, {MAX_RSS} MB are allowed")
    if large["late"]:
        broken.append(f"{large['late']} late probes of 2,000 services")
    return broken


if __name__ == "__main__":
    print(main())
