"""docs/benchmarks.md out of bench/results/*.json; written anew after each `make bench`."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.common import RESULTS

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_HEAD = """\
<!-- Written by `make bench` from bench/results/*.json. DO NOT EDIT. -->
# Benchmarks

Everything here comes out of `make bench`, peers in the same run and on the same machine; one alone:
`make bench BENCH=swap`. The files in bench/results/ hold the same figures.
"""


def flat(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value) if isinstance(value, list | dict) else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def section(path: Path) -> str:
    figures = json.loads(path.read_text())
    machine = figures.pop("machine", {})
    about = (importlib.import_module(f"bench.{path.stem}").__doc__ or "").strip()
    lines = [f"## {path.stem}", "", about, "", "| figure | value |", "|---|---:|"]
    lines += [f"| {name} | {shown(value)} |" for name, value in flat(figures)]
    taken = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*lines, "", f"Taken on: {taken}.", ""])


def write() -> None:
    """Raises nothing for results whose benchmark is gone: they are left out."""
    here = Path(__file__).parent
    pages = [section(path) for path in sorted(RESULTS.glob("*.json")) if (here / path.name).with_suffix(".py").exists()]
    PAGE.write_text("\n".join([_HEAD, *pages]))
