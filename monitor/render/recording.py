"""Recording rules for objectives: shares of bad requests and burn rates, over every window that is asked for.

Long windows are averages of the recorded five-minute rates, weighted by traffic: bad requests by all. They cost
one series a service instead of one a status, and no long look at raw counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from monitor.domain import names
from monitor.render.grafana.fill import bound as bucket
from monitor.render.grafana.fill import number
from monitor.render.rules import RECORD_EVERY, BurnRate, alternatives, quoted
from monitor.render.site import Objective, Site
from monitor.render.yamltext import duration

_SHORTEST: Final = 300.0
_PERIOD: Final = 30 * 86400.0


def recording_groups(site: Site, burns: Sequence[BurnRate]) -> list[dict[str, Any]]:
    """Groups in Prometheus' file format; none when no service has an objective."""
    promised = [(service.name, objective) for service in site.services for objective in service.objectives]
    if not promised:
        return []
    windows = sorted({_SHORTEST, _PERIOD} | {window for burn in burns for window in (burn.long, burn.short)})
    rules = _rates(site, promised) + _objectives(site, promised) + _windows(site, windows)
    return [{"name": "bgmon-slo-recording", "interval": duration(RECORD_EVERY), "rules": rules}]


def _rates(site: Site, promised: Sequence[tuple[str, Objective]]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    available = [name for name, objective in promised if objective.slo == "availability"]
    if available:
        every = _rate(site, names.METRIC_REQUESTS, available)
        failed = _rate(site, names.METRIC_REQUESTS, available, 'code=~"5.."')
        rules.append(_record(names.RECORD_SLO_TOTAL, every, slo="availability"))
        # Without any 5xx yet there is no series to count: that is none, not unknown.
        rules.append(_record(names.RECORD_SLO_BAD, f"{failed}\n  or {every} * 0", slo="availability"))
    for le in sorted({objective.le for _, objective in promised if objective.le is not None}):
        services = [name for name, objective in promised if objective.le == le]
        every = _rate(site, f"{names.METRIC_DURATION}_count", services)
        good = _rate(site, f"{names.METRIC_DURATION}_bucket", services, bucket(le))
        rules.append(_record(names.RECORD_SLO_TOTAL, every, slo="latency"))
        rules.append(_record(names.RECORD_SLO_BAD, f"clamp_min(\n  {every}\n    - {good},\n  0\n)", slo="latency"))
    return rules


def _objectives(site: Site, promised: Sequence[tuple[str, Objective]]) -> list[dict[str, Any]]:
    same: dict[tuple[str, float], list[str]] = {}
    for name, objective in promised:
        same.setdefault((objective.slo, objective.ratio), []).append(name)
    rules: list[dict[str, Any]] = []
    for (slo, ratio), services in sorted(same.items()):
        selector = f'{{project={quoted(site.project)}, slo="{slo}", service=~"{alternatives(services)}"}}'
        rules.append(
            _record(names.RECORD_SLO_OBJECTIVE, f"{names.RECORD_SLO_TOTAL}{selector} * 0 + {number(ratio)}", slo=slo)
        )
    return rules


def _windows(site: Site, windows: Sequence[float]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    selector = f"{{project={quoted(site.project)}}}"
    for window in windows:
        text = duration(window)
        bad, total = f"{names.RECORD_SLO_BAD}{selector}", f"{names.RECORD_SLO_TOTAL}{selector}"
        if window > _SHORTEST:
            bad, total = f"avg_over_time({bad}[{text}])", f"avg_over_time({total}[{text}])"
        rules.append(_record(f"{names.RECORD_SLO_ERRORS}{text}", f"{bad}\n  / ({total} > 0)"))
    for window in windows:
        text = duration(window)
        errors = f"{names.RECORD_SLO_ERRORS}{text}{selector}"
        rules.append(
            _record(f"{names.RECORD_SLO_BURN}{text}", f"{errors}\n  / (1 - {names.RECORD_SLO_OBJECTIVE}{selector})")
        )
    return rules


def _rate(site: Site, metric: str, services: Sequence[str], *matchers: str) -> str:
    selectors = [
        f'job="{names.SCRAPE_JOB}"',
        f"project={quoted(site.project)}",
        f'service=~"{alternatives(services)}"',
        *matchers,
    ]
    return f"sum by (project, service) (rate({metric}{{{', '.join(selectors)}}}[5m]))"


def _record(name: str, expr: str, **labels: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"record": name, "expr": expr}
    return {**rule, "labels": labels} if labels else rule
