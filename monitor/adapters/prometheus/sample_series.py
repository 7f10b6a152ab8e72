"""Made-up answers that look like a service's: for previews of boards where no Prometheus is at hand."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Sequence
from typing import Final

from monitor.domain.boards.board import Panel, Query
from monitor.domain.boards.series import Series, legend
from monitor.domain.health.watch import STATES
from monitor.domain.logs.requests import DEFAULT_BUCKETS

_LABEL: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_BY: Final = re.compile(r"\bby \(([^)]*)\)")
_LINES: Final = (
    'level=info msg="request done" method=GET path=/ status=200 duration=0.021',
    'level=info msg="request done" method=POST path=/orders status=201 duration=0.084',
    'level=warn msg="upstream is slow" upstream=search duration=0.912',
    'level=error msg="connection reset by peer" upstream=search',
    'level=info msg="cache refreshed" entries=1204',
)
_FAILED: Final = (
    '{"method":"GET","path":"/search","status":503,"duration_us":8123}',
    '{"method":"POST","path":"/orders","status":500,"duration_us":20417}',
)
_DEPLOYS: Final = (
    "core v3: deployed by ci in 41.7 s",
    "search v7: deployed by ci in 12.3 s",
    "core v2: failed by ci in 9.1 s",
)
_MAGNITUDE: Final = {"reqps": 20.0, "percentunit": 0.4, "s": 0.05, "bytes": 60 * 1024.0**2, "cps": 20.0, "none": 0.5}


class SampleSeries:
    sample = True

    def __init__(self, services: Sequence[str], host: str = "vps1") -> None:
        self._values: dict[str, tuple[str, ...]] = {
            "service": tuple(services) or ("app",),
            "code": ("200", "304", "404", "500"),
            "le": tuple(repr(bound) for bound in DEFAULT_BUCKETS),
            "instance": (host,),
            "reason": ("exited",),
            "cause": ("error",),
            "result": ("deployed", "failed"),
            "event": ("errors", "timeouts"),
            "version": ("v3",),
            "color": ("green",),
            "severity": ("page", "ticket"),
            "detected_level": ("info", "warn", "error"),
            "peer": ("vps2",),
        }

    def ask(self, panel: Panel, query: Query, start: float, end: float, points: int) -> Sequence[Series]:
        if panel.type == "logs":
            return _lines(query, end)
        names = _LABEL.findall(query.legend)
        for group in _BY.findall(query.expr) if panel.type in ("table", "bar") else ():
            names += [name.strip() for name in group.split(",") if name.strip() != "le"]
        names = [name for name in dict.fromkeys(names) if name in self._values]
        single = query.instant or panel.type in ("table", "bar")
        times = [end] if single else [start + (end - start) * index / points for index in range(points + 1)]
        made = []
        for values in itertools.product(*(self._values[name] for name in names)):
            labels = dict(zip(names, values, strict=True))
            points_ = [(at, self._value(panel, query, labels, at)) for at in times]
            made.append(Series(labels, points_, legend(query.legend, labels)))
        return made

    def _value(self, panel: Panel, query: Query, labels: dict[str, str], at: float) -> float:
        name = f"{panel.title} {query.legend} {sorted(labels.items())}"
        rng = random.Random(f"{name} {at // 60}")  # noqa: S311 - a drawing, no secret
        wave = 1 + 0.25 * math.sin(at / 3000 + len(name)) + rng.uniform(-0.12, 0.12)
        column = next((item for item in panel.columns if item.name == query.column), None)
        unit = (column.unit if column else "") or panel.unit
        fixed = _fixed(panel, query, unit, worded=bool(column and column.words), at=at)
        if fixed is not None:
            return fixed
        if "le" in labels:
            return wave * 40.0 * float(sum(bound <= float(labels["le"]) for bound in DEFAULT_BUCKETS) ** 0.7)
        if unit == "percentunit":
            return (0.9995 if panel.type in ("stat", "table") else 0.002) * min(1.0, wave)
        size = _MAGNITUDE.get(unit, 12.0)
        size *= {"404": 0.03, "304": 0.08, "500": 0.004}.get(labels.get("code", ""), 1.0)
        return size * wave * (1.6 if "99" in query.legend else 1.0)


def _fixed(panel: Panel, query: Query, unit: str, *, worded: bool, at: float) -> float | None:
    """What does not swing."""
    if panel.states:
        return float(STATES.index("healthy"))
    if panel.words or worded:
        return 1.0
    if unit == "dateTimeFromNow":
        return (at - 7500) * 1000
    if panel.type == "gauge":
        return 0.62
    return 0.999 if "objective" in (query.legend, query.column.lower()) else None


def _lines(query: Query, end: float) -> Sequence[Series]:
    lines = _FAILED if 'kind="access"' in query.expr else _DEPLOYS if '"bgmon"' in query.expr else _LINES
    return [Series({"line": line}, [(end - 7 * index, 1.0)]) for index, line in enumerate((*lines, *lines))]
