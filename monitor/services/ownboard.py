"""A small board of one service out of what bgmon itself knows: its log and its state. For hosts without Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from monitor.domain.boards.board import Paint, Panel, Query, Threshold
from monitor.domain.boards.drawing import PanelData, TimeRange
from monitor.domain.boards.series import Series
from monitor.domain.health.status import ServiceView
from monitor.domain.health.watch import STATES
from monitor.domain.logs.requests import RequestWindow
from monitor.errors import BgmonError
from monitor.ports.requests import RequestStats

SLICES: Final = 20
_QUERY: Final = (Query(expr="-"),)
_NOW: Final = "what bgmon knows now"


def from_view(view: ServiceView, at: float) -> list[PanelData]:
    """State, version, restarts and health checks, as the daemon last wrote them down."""
    panels = [
        _single(Panel(title="State", description=_NOW, type="stat", states=True), at, float(STATES.index(view.state)))
        if view.state in STATES
        else PanelData(Panel(title="State", description=_NOW, type="stat"), (), view.state),
        _single(
            Panel(title="Version", description=_NOW, type="stat", names=True), at, 1.0, f"{view.version} ({view.color})"
        ),
        _single(Panel(title="Restarts", description=_NOW, type="stat", unit="none"), at, float(view.restarts)),
    ]
    if view.history:
        latency = Panel(title="Duration of the health check", description="means", unit="s", queries=_QUERY)
        points = [(bucket.at, bucket.latency) for bucket in view.history if bucket.probes > bucket.failures]
        panels.append(PanelData(latency, ((Series({}, points, "mean"),),)))
    return panels


def _single(panel: Panel, at: float, value: float, name: str = "") -> PanelData:
    return PanelData(panel, ((Series({}, [(at, value)], name),),))


def from_log(service: str, stats: Callable[[], RequestStats], span: TimeRange) -> list[PanelData]:
    """Rate, errors and durations, each value over one of `SLICES` parts of the span."""
    width = (span.end - span.start) / SLICES
    slices = [(span.start + number * width, span.start + (number + 1) * width) for number in range(SLICES)]
    rate = Panel(title="Requests", description="a second", unit="reqps", queries=_QUERY)
    try:
        source = stats()
        windows = [(end, source.window([service], start, end).get(service)) for start, end in slices]
    except BgmonError as error:
        return [PanelData(rate, (), str(error))]
    known = [(at, window) for at, window in windows if window is not None]
    if not known:
        return [PanelData(rate, (), "requests of this service are not counted: see logs in bgmon.yml")]
    share = Panel(
        title="Error share", description="5xx", unit="percentunit", queries=_QUERY,
        paint=(Paint(series="5xx", color="red"),), thresholds=(Threshold(color="red", value=0.01),),
    )  # fmt: skip
    paint = (Paint(series="p50", color="green"), Paint(series="p95", color="orange"), Paint(series="p99", color="red"))
    duration = Panel(title="Duration", description="quantiles", unit="s", queries=_QUERY, paint=paint)
    served = [(at, window) for at, window in known if window.requests]
    return [
        PanelData(rate, ((Series({}, [(at, window.requests / width) for at, window in known], "all"),),)),
        PanelData(share, ((Series({}, [(at, window.error_share) for at, window in served], "5xx"),),)),
        PanelData(duration, tuple((_quantile(served, q),) for q in (0.5, 0.95, 0.99))),
    ]


def _quantile(windows: Sequence[tuple[float, RequestWindow]], q: float) -> Series:
    points = [(at, value) for at, window in windows if (value := window.quantile(q)) is not None]
    return Series({}, points, f"p{q * 100:.0f}")
