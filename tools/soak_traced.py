"""The command line with its memory noted every five minutes: python -m tools.soak_traced FILE watch."""

from __future__ import annotations

import gc
import sys
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path

EVERY = 300.0
SHOWN = 40


def note(file: Path) -> None:
    began, before, types_before = time.monotonic(), None, Counter[str]()
    while True:
        time.sleep(EVERY / 5 if before is None else EVERY)
        gc.collect()
        snapshot = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)]
        )
        types = Counter(type(one).__name__ for one in gc.get_objects())
        with file.open("a") as out:
            now, peak = tracemalloc.get_traced_memory()
            print(
                f"\n== {(time.monotonic() - began) / 60:.1f} min, {now / 1e6:.1f} MB, peak {peak / 1e6:.1f} MB",
                file=out,
            )
            if before is not None:
                for stat in snapshot.compare_to(before, "traceback")[:SHOWN]:
                    if stat.size_diff > 0:
                        frames = [
                            f"{f.filename.rpartition('site-packages/')[2]}:{f.lineno}" for f in reversed(stat.traceback)
                        ]
                        print(f"{stat.size_diff:+} B, {stat.count_diff:+}: {' < '.join(frames)}", file=out)
                print((types - types_before).most_common(25), file=out)
        before, types_before = snapshot, types


def main() -> None:
    file = Path(sys.argv.pop(1))
    tracemalloc.start(6)
    threading.Thread(target=note, args=(file,), daemon=True).start()
    from monitor.cli.main import run  # traced from the start

    run()


if __name__ == "__main__":
    main()
