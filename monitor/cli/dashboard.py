"""`bgmon dashboard`: boards without Grafana."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.context import Settings, pass_settings
from monitor.cli.services import complete_service
from monitor.domain.digits import digits
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Group

    from monitor.bootstrap import App
    from monitor.domain.boards.board import Panel

POINTS = 240


@click.group("dashboard")
def command() -> None:
    """Draw boards in the terminal, or as HTML pages.

    \b
    Examples:
      bgmon dashboard show core
      bgmon dashboard preview --out preview --prometheus http://127.0.0.1:9090
    """


@command.command("show")
@click.argument("board", shell_complete=complete_service)
@click.option("--prometheus", metavar="URL", help="Ask this Prometheus; by default generate.prometheus of bgmon.yml.")
@click.option("--last", default="1h", show_default=True, metavar="TIME", help="Time range, such as 15m or 24h.")
@click.option("--scrape", default="15s", show_default=True, metavar="TIME", help="Prometheus' scrape interval.")
@click.option("--every", type=click.FloatRange(1, 3600), help="Draw anew every so many seconds, until Ctrl-C.")
@pass_settings
def show(
    settings: Settings, *, board: str, prometheus: str | None, last: str, scrape: str, every: float | None
) -> None:
    """Draw a board in the terminal from live data: a service's by its name, or overview, hosts, deploys, slo.

    Without a Prometheus, a service is drawn from its own log and from what the daemon knows.

    \b
    Examples:
      bgmon dashboard show core
      bgmon dashboard show overview --prometheus http://127.0.0.1:9090 --last 24h --every 10
    """
    from rich.console import Console

    app = settings.app()
    console = Console()
    with ExitStack() as stack:
        draw = _drawing(app, board, prometheus, stack, span=_seconds(last), scrape=_seconds(scrape))
        if every is None:
            console.print(draw(console.width))
            return
        from rich.live import Live

        with Live(draw(console.width), console=console, screen=console.is_terminal, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(draw(console.width), refresh=True)


def _drawing(
    app: App, board: str, prometheus: str | None, stack: ExitStack, *, span: float, scrape: float
) -> Callable[[int], Group]:
    """A function of the width that asks and draws."""
    from monitor.cli.boardview import screen
    from monitor.domain.boards.drawing import TimeRange
    from monitor.render.grafana.board import ready_boards
    from monitor.services.boards import answers

    name = board if board in app.config.all_services else f"_{board.removeprefix('_')}"
    url = prometheus or app.generation.prometheus_url
    if url is None and board in app.config.all_services:
        return lambda width: _own(app, board, span, width)
    ready = next(iter(ready_boards(app.generation.boards, app.generation.site, only=name)), None)
    if ready is None:
        known = [
            *sorted(app.config.all_services),
            *(key for key, item in app.generation.boards.boards.items() if item.per == "project"),
        ]
        raise UsageError(f"there is no board {board!r}", hint=f"there are: {', '.join(known)}")
    if url is None:
        raise UsageError(
            f"the board {board} needs a Prometheus", hint="name it with --prometheus, or set generate.prometheus"
        )
    sources = stack.enter_context(app.generation.series_sources(url, scrape=scrape))

    def draw(width: int) -> Group:
        end = time.time()
        shown = TimeRange(end - span, end)
        rows = []
        for row in ready.rows:
            panels = [place.panel for place in row.panels if _measured(place.panel)]
            rows.append((row.title, answers(panels, sources, shown, points=120)))
        return screen(ready.title, f"from Prometheus at {url}", rows, shown, width)

    return draw


def _measured(panel: Panel) -> bool:
    """Out of Prometheus: logs are for `bgmon logs`."""
    return all(query.source == "prometheus" for query in panel.queries)


def _own(app: App, service: str, seconds: float, width: int) -> Group:
    from monitor.cli.boardview import screen
    from monitor.domain.boards.drawing import TimeRange
    from monitor.services.ownboard import from_log, from_view

    end = time.time()
    span = TimeRange(end - seconds, end)
    views = [view for view in app.status_view().snapshot(end).services if view.name == service]
    rows = [
        ("Now", [panel for view in views for panel in from_view(view, end)]),
        ("Requests", from_log(service, lambda: app.request_stats, span)),
    ]
    return screen(service, "from the log and the daemon's state; with a Prometheus there is more", rows, span, width)


@command.command("preview")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option("--prometheus", metavar="URL", help="Ask this Prometheus; without it every value is made up.")
@click.option(
    "--last", "last", default=None, metavar="TIME", help="Time range, such as 6h; the board's own by default."
)
@click.option("--scrape", default="15s", show_default=True, metavar="TIME", help="Prometheus' scrape interval.")
@click.option("--until", type=float, hidden=True, help="Unix time at which the range ends.")
@pass_settings
def preview(
    settings: Settings, *, out: Path, prometheus: str | None, last: str | None, scrape: str, until: float | None
) -> None:
    """Write each board as an HTML page with charts, to see what Grafana will show.

    The pages load nothing from anywhere. Logs are always samples.

    \b
    Examples:
      bgmon dashboard preview --out preview
      bgmon dashboard preview --out preview --prometheus http://127.0.0.1:9090 --last 24h
    """
    from monitor.domain.boards.drawing import TimeRange
    from monitor.render.grafana.board import ready_boards
    from monitor.render.preview.page import page
    from monitor.services.boards import answers, deploys

    app = settings.app()
    with app.generation.series_sources(prometheus, scrape=_seconds(scrape)) as sources:
        end = until or time.time()
        for ready in ready_boards(app.generation.boards, app.generation.site):
            span = TimeRange(end - _seconds(last or ready.board.range), end)
            span = replace(span, marks=deploys(ready.service, sources, span, points=POINTS))
            data = answers(list(ready.panels), sources, span, points=POINTS)
            text = page(
                ready, data, span, source="Prometheus" if prometheus else "sample data", sample=prometheus is None
            )
            try:
                out.mkdir(parents=True, exist_ok=True)
                (out / f"{ready.name}.html").write_text(text, encoding="utf-8")
            except OSError as error:
                raise UsageError(
                    f"{out}: cannot be written to: {error.strerror}", hint="choose another --out"
                ) from None
            click.echo(out / f"{ready.name}.html")


def _seconds(text: str) -> float:
    from monitor.config.base import parse_duration

    days = text.removesuffix("d")
    if days != text and digits(days):
        text = f"{24 * int(days)}h"
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error), hint="write 15m, 6h or 7d") from None
