"""Throws generated lines at the log parsers until the time is up; both forms of every rule must agree on each.

python -m tools.fuzz [SECONDS]     300 by default
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.domain.logs.counts import Counts
from monitor.domain.logs.parse import AccessParser, LineParser
from monitor.domain.logs.rules import LogRule
from tests.logs.test_same_meaning import compare
from tests.support.loglines import RULES, lines_for
from tests.support.miniloki import MiniLoki, build

ROUND = 200  # examples, each of up to 25 lines


def one_round(loki: MiniLoki, rule: LogRule) -> int:
    """The number of lines that were compared."""
    counted = 0

    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.lists(lines_for(rule), min_size=1, max_size=25), st.binary(max_size=2000))
    def check(lines: list[bytes], garbage: bytes) -> None:
        nonlocal counted
        compare(loki, rule, lines)
        counted += len(lines)
        pieces = garbage.split(b"\n")
        counts = Counts()
        LineParser(rule).count(pieces, counts)
        assert counts.lines == len(pieces)
        AccessParser({"core": rule}).count(pieces, {})

    check()
    return counted


def main(seconds: float) -> None:
    until = time.monotonic() + seconds
    counted = 0
    with tempfile.TemporaryDirectory() as folder:
        loki = MiniLoki(build(Path(folder)))
        try:
            for name, rule in itertools.cycle(RULES.items()):
                if time.monotonic() >= until:
                    break
                counted += one_round(loki, rule)
                print(f"{name}: fine, {counted:,} lines so far", flush=True)
        finally:
            loki.close()
    print(f"{counted:,} lines, no difference")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0)
