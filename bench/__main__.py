"""`python -m bench [NAME ...]`: run every benchmark of this folder, or those named, one after the other.

A benchmark is a module with `main()`, which prints a table, writes bench/results/NAME.json by common.write_result, and
returns the list of bounds it broke, each in words (None or an empty list: all held).
"""

from __future__ import annotations

import importlib
import pkgutil
import signal
import sys
import time
import traceback
from pathlib import Path

from bench import report


def names() -> list[str]:
    """Benchmarks in this folder; `swap` first, since the others lean on nothing it leaves."""
    found = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    return sorted(
        (name for name in found if name not in ("common", "__main__", "report")),
        key=lambda name: (name != "swap", name),
    )


def main(wanted: list[str]) -> int:
    known = names()
    if unknown := [name for name in wanted if name not in known]:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    failures: list[str] = []
    for name in wanted or known:
        module = importlib.import_module(f"bench.{name}")
        if not hasattr(module, "main"):
            continue
        print(f"\n=== {name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
        began = time.monotonic()
        try:
            failures += [f"{name}: {broken}" for broken in module.main() or []]
        except Exception:  # noqa: BLE001 - one benchmark that breaks must not cost the figures of the others
            traceback.print_exc()
            failures.append(f"{name}: did not finish")
        print(f"({name} took {time.monotonic() - began:.0f} s)", flush=True)
    report.write()
    for failure in failures:
        print(f"bound broken: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is taken away on the way out
    sys.exit(main(sys.argv[1:]))
