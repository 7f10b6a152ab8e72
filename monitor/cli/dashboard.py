"""`bgmon dashboard`: boards without Grafana."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click

from monitor.cli.context import Settings, pass_settings
from monitor.errors import UsageError

POINTS = 240


@click.group("dashboard")
def command() -> None:
    """Draw boards in the terminal, or as HTML pages.

    \b
    Examples:
      bgmon dashboard show core
      bgmon dashboard preview --out preview --prometheus http://127.0.0.1:9090
    """


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
    from monitor.domain.drawing import Span  # noqa: PLC0415
    from monitor.render.grafana.board import ready_boards  # noqa: PLC0415
    from monitor.render.preview.page import page  # noqa: PLC0415
    from monitor.services.boards import answers, deploys  # noqa: PLC0415

    app = settings.app()
    sources = app.series_sources(prometheus, scrape=_seconds(scrape))
    end = until or time.time()
    for ready in ready_boards(app.boards, app.site):
        span = Span(end - _seconds(last or ready.board.range), end)
        span = replace(span, marks=deploys(ready.service, sources, span, points=POINTS))
        data = answers(list(ready.panels), sources, span, points=POINTS)
        text = page(ready, data, span, source="Prometheus" if prometheus else "sample data", sample=prometheus is None)
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{ready.name}.html").write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{out}: cannot be written to: {error.strerror}", hint="choose another --out") from None
        click.echo(out / f"{ready.name}.html")


def _seconds(text: str) -> float:
    from monitor.config.base import parse_duration  # noqa: PLC0415

    days = text.removesuffix("d")
    if days != text and days.isdigit():
        text = f"{24 * int(days)}h"
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(str(error), hint="write 15m, 6h or 7d") from None
