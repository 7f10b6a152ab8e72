"""Grafana's variables in a query, put in as Grafana would: for asking Prometheus without Grafana."""

from __future__ import annotations

import re
from typing import Final

from monitor.domain.names import SCRAPE_JOB

_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


def expand(expr: str, *, span: float, step: float, scrape: float, job: str = SCRAPE_JOB, instance: str = ".+") -> str:
    """`expr` for a time range of `span`, one value every `step` and a scrape interval of `scrape`, all in seconds.

    $__rate_interval follows Grafana's own formula: the step plus one scrape, and four scrapes at least.
    """
    values = {
        "__rate_interval": _duration(max(step + scrape, 4 * scrape)),
        "__interval": _duration(step),
        "__auto": _duration(step),
        "__range": _duration(span),
        "job": job,
        "instance": instance,
        "service": ".+",
    }
    return _VARIABLE.sub(lambda match: values.get(match[1] or match[2], match[0]), expr)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
