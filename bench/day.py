"""24 h of 200 services that crash, hang and loop at random, on a clock of their own: acts, alerts, and what it took."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.common import table, write_result
from tests.unit.services.watchdog.test_simulated import day

SERVICES = 200
SEEDS = (1, 2, 3)
MAX_SECONDS = 60.0


def main() -> list[str]:
    """A storm, a lost or a doubled alert ends it with an error."""
    runs = []
    for seed in SEEDS:
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            figures = day(Path(folder), services=SERVICES, seed=seed)
        runs.append({"seed": seed, **figures, "cpu_seconds": round(time.process_time() - began, 2)})
    columns = ["seed", "crashes", "incidents", "acts", "alerts", "cpu_seconds"]
    table("a day of 200 services", columns, [[run[column] for column in columns] for run in runs])
    write_result("day", {"services": SERVICES, "hours": 24, "runs": runs})
    return [f"a day took {run['cpu_seconds']} s" for run in runs if run["cpu_seconds"] > MAX_SECONDS]


if __name__ == "__main__":
    print(main())
