"""Services that answer, but too badly: by their share of 5xx and their p95, out of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitor.domain.deploy.spec import ServiceSpec
from monitor.domain.health.causes import span
from monitor.domain.logs.requests import RequestWindow

WINDOW: Final = 300.0
MAX_ERRORS: Final = 0.05


def degradation(spec: ServiceSpec, window: RequestWindow) -> str:
    """Why the service counts as degraded; empty when it does not.

    It is held to what its deploys are held to: `max_error_rate` (5 % where none is set) and `max_p95`, once there are
    `min_requests` in the last five minutes.
    """
    bake = spec.deploy.bake
    if window.requests < bake.min_requests:
        return ""
    limit = MAX_ERRORS if bake.max_error_rate is None else bake.max_error_rate
    if window.error_share > limit:
        return f"{window.error_share:.1%} of {window.requests} requests in {span(WINDOW)} failed (limit {limit:.1%})"
    p95 = window.quantile(0.95)
    if bake.max_p95 is not None and p95 is not None and p95 > bake.max_p95:
        return f"95 % of requests take up to {span(p95)} (limit {span(bake.max_p95)})"
    return ""


def degradations(specs: Mapping[str, ServiceSpec], windows: Mapping[str, RequestWindow]) -> dict[str, str]:
    found = {name: degradation(spec, windows[name]) for name, spec in specs.items() if name in windows}
    return {name: why for name, why in found.items() if why}
