"""`bgmon top`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.output import emit_json

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from monitor.domain.health.status import HealthBucket, StatusSnapshot

_COLORS = {
    "healthy": "green",
    "degraded": "yellow",
    "starting": "cyan",
    "deploying": "cyan",
    "stopped": "dim",
    "unknown": "dim",
}
_BARS = 24


@click.command("top")
@click.option("--every", type=click.FloatRange(0.2, 3600), default=1.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="Draw once and exit.")
@json_option
@pass_settings
def command(settings: Settings, every: float, once: bool, as_json: bool) -> None:
    """A live view of the services on this host: state, health over 24 h, restarts, open incidents.

    \b
    Examples:
      bgmon top
      bgmon top --once
      bgmon top --json        the same picture as data
    """
    from rich.console import Console
    from rich.live import Live

    app = settings.app()
    source = app.status_view()
    if as_json:
        emit_json(asdict(source.snapshot(time.time())))
        return
    console = Console()
    if once or not console.is_terminal:
        console.print(_screen(source.snapshot(time.time())))
        return
    with Live(_screen(source.snapshot(time.time())), console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(_screen(source.snapshot(time.time())), refresh=True)


def _screen(snapshot: StatusSnapshot) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from monitor.domain.health.causes import span

    head = Text(f"{snapshot.project} on {snapshot.host}, {time.strftime('%H:%M:%S', time.localtime(snapshot.at))}")
    services = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("SERVICE", "STATE", "FOR", "COLOR", "VERSION", "RESTARTS", "24 H", "LATENCY", "REASON"):
        services.add_column(title, no_wrap=title != "REASON")
    for view in snapshot.services:
        recent = view.history[-1] if view.history else None
        services.add_row(
            view.name,
            Text(view.state, style=_COLORS.get(view.state, "bold red")),
            span(snapshot.at - view.since) if view.since else "",
            view.color,
            view.version,
            str(view.restarts),
            _bars(view.history, snapshot.at),
            f"{recent.latency * 1000:.0f} ms" if recent and recent.probes > recent.failures else "",
            view.reason,
        )
    parts: list[RenderableType] = [head, Text(""), services]
    open_now = [incident for incident in snapshot.incidents if incident.ended_at is None]
    if open_now:
        parts.append(Text("\nOpen incidents", style="bold"))
        parts += [
            Text(f"  {incident.cause} (for {span(snapshot.at - incident.started_at)})", style="red")
            for incident in open_now
        ]
    return Group(*parts)


def _bars(history: tuple[HealthBucket, ...], now: float) -> Text:
    """One mark an hour: green without a failed probe, yellow with some, red with more than half."""
    from rich.text import Text

    hours: list[list[int]] = [[0, 0] for _ in range(_BARS)]
    for bucket in history:
        age = int((now - bucket.at) // 3600)
        if 0 <= age < _BARS:
            hours[_BARS - 1 - age][0] += bucket.probes
            hours[_BARS - 1 - age][1] += bucket.failures
    text = Text()
    for probes, failures in hours:
        if not probes:
            text.append("·", style="dim")
        else:
            share = failures / probes
            text.append("▮", style="green" if not failures else "yellow" if share <= 0.5 else "red")  # noqa: PLR2004
    return text
