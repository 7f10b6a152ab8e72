"""`bgmon metrics`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.context import Settings, json_option, pass_settings
from monitor.cli.deploys import DurationType
from monitor.cli.output import emit_json, table
from monitor.cli.remote import documents, on_hosts

if TYPE_CHECKING:
    from monitor.bootstrap import App
    from monitor.domain.logs.counts import Counts

_BAR: Final = 40  # columns
_BLOCKS: Final = " ▏▎▍▌▋▊▉█"


class MomentType(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no type parameter here
    """RFC 3339 or unix seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            seconds = float(value)
        except ValueError:
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                self.fail(f"{value!r} is no time: write 2026-11-24T12:00:00Z or unix seconds", param, ctx)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if not 0 <= seconds < 1e11:  # noqa: PLR2004 - milliseconds by mistake
            self.fail(f"{value!r} is no time in unix seconds", param, ctx)
        return seconds


@click.command("metrics")
@click.argument("words", metavar="[explain] [SERVICE]...", nargs=-1)
@click.option(
    "--since", type=DurationType(), metavar="DURATION", help="The window's length, up to now; 10m by default."
)
@click.option(
    "--from", "start", type=MomentType(), metavar="TIME", help="The window's begin: RFC 3339 or unix seconds."
)
@click.option("--to", "end", type=MomentType(), metavar="TIME", help="The window's end, which belongs to it.")
@click.option("--openmetrics", is_flag=True, help="Print the window as OpenMetrics text.")
@json_option
@pass_settings
@on_hosts(documents())
def command(  # noqa: PLR0917 - click passes them by name
    settings: Settings,
    words: tuple[str, ...],
    since: float | None,
    start: float | None,
    end: float | None,
    openmetrics: bool,
    as_json: bool,
) -> None:
    """Requests, 5xx share and latency out of the logs.

    `explain` shows what is asked of the log source, to paste into Grafana.

    \b
    Examples:
      bgmon metrics --since 10m
      bgmon metrics core --from 2026-11-24T12:00:00Z --to 2026-11-24T13:00:00Z --json
      bgmon metrics explain core
    """
    app = settings.app()
    if words[:1] == ("explain",) and "explain" not in app.specs:
        _explain(app, _chosen(app, words[1:]), as_json=as_json)
        return
    services = _chosen(app, words)
    if since is not None and start is not None:
        raise click.UsageError("--since and --from exclude each other")
    end = time.time() if end is None else end
    start = end - (600.0 if since is None else since) if start is None else start
    if start >= end:
        raise click.UsageError("the window is empty: --from must be before --to")
    counts = app.wiring.log_source.window(services, start, end)
    _warn_of_lost_lines(app)
    if openmetrics:
        click.echo(_openmetrics(app, counts), nl=False)
    elif as_json:
        emit_json(_document(app, counts, start, end))
    else:
        _show(app, counts, start, end)


def _warn_of_lost_lines(app: App) -> None:
    """On stderr: a count that may be too low is marked. A proxy that is elsewhere or down says nothing."""
    from monitor.errors import BgmonError

    try:
        status = app.proxy.status()
    except BgmonError:
        return
    if status.lost_lines:
        click.echo(f"{status.detail}; counts of it are too low", err=True)


def _chosen(app: App, names: Sequence[str]) -> list[str]:
    from monitor.cli.services import spec_of
    from monitor.errors import UsageError

    for name in names:
        spec_of(app, name)
        if name not in app.wiring.log_rules and name not in app.wiring.event_rules:
            raise UsageError(
                f"{name} has no request metrics",
                hint="give it a port, so that the proxy logs its requests, or logs: {source: app, format: ...}",
            )
    chosen = list(dict.fromkeys(names)) or sorted({*app.wiring.log_rules, *app.wiring.event_rules})
    if not chosen:
        raise UsageError("no service has request metrics", hint="give one a port or logs: {source: app, format: ...}")
    return chosen


def _buckets(app: App, service: str) -> tuple[float, ...]:
    from monitor.domain.logs.rules import buckets_of

    return buckets_of(app.wiring.log_rules, service)


def _document(app: App, counts: Mapping[str, Counts], start: float, end: float) -> dict[str, Any]:
    services: dict[str, Any] = {}
    for service, count in counts.items():
        window = count.window(_buckets(app, service))
        services[service] = {
            "requests": window.requests,
            "codes": dict(window.codes),
            "duration_sum": window.duration_sum,
            "buckets": dict(window.buckets),
            "unparsed": window.unparsed,
            "lines": count.lines,
            "ignored": count.ignored,
        }
        if service in app.wiring.event_rules:
            services[service]["events"] = {
                name: count.events.get(name, 0) for name in app.wiring.event_rules[service].names
            }
    return {"source": app.wiring.log_source.name, "from": start, "to": end, "services": services}


def _openmetrics(app: App, counts: Mapping[str, Counts]) -> str:
    from prometheus_client.openmetrics.exposition import generate_latest
    from prometheus_client.registry import CollectorRegistry

    from monitor.adapters.prometheus.requests import FixedCollector

    registry = CollectorRegistry()
    registry.register(FixedCollector(counts, app.wiring.log_rules))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # the library types only some
    return text.decode()


def _show(app: App, counts: Mapping[str, Counts], start: float, end: float) -> None:
    rows = []
    for service, count in counts.items():
        window = count.window(_buckets(app, service))
        rows.append(
            [
                service,
                str(window.requests),
                f"{window.requests / (end - start):.2f}",
                f"{window.error_share:.2%}" if window.requests else "-",
                *(_span(window.quantile(q)) for q in (0.5, 0.95, 0.99)),
                " ".join(f"{code}:{number}" for code, number in window.codes.items()) or "-",
                str(window.unparsed),
            ]
        )
    click.secho(f"{app.wiring.log_source.name}, {_moment(start)} to {_moment(end)}", dim=True)
    click.echo(table(["SERVICE", "REQUESTS", "PER SECOND", "5XX", "P50", "P95", "P99", "CODES", "UNPARSED"], rows))
    if len(counts) == 1:
        service, count = next(iter(counts.items()))
        _chart(count.cumulative(_buckets(app, service)))


def _chart(cumulative: Mapping[str, int]) -> None:
    """How many requests took how long."""
    before = 0
    bars = []
    for le, upto in cumulative.items():
        bars.append((le, upto - before))
        before = upto
    most = max((number for _, number in bars), default=0)
    if not most:
        return
    click.echo()
    for le, number in bars:
        label = "slower" if le == "+Inf" else f"<= {_span(float(le))}"
        eighths = round(number / most * _BAR * 8)
        bar = _BLOCKS[8] * (eighths // 8) + _BLOCKS[eighths % 8].strip()
        click.echo(f"{label:>10}  {bar}{' ' if bar else ''}{number}")


def _explain(app: App, services: Sequence[str], *, as_json: bool) -> None:
    told = {service: app.wiring.log_source.explain(service) for service in services}
    if as_json:
        emit_json(
            {"source": app.wiring.log_source.name, "services": {name: dict(pairs) for name, pairs in told.items()}}
        )
        return
    for service, pairs in told.items():
        for name, text in pairs:
            click.secho(f"# {service}: {name}", dim=True)
            click.echo(text)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.3g}ms" if seconds < 1 else f"{seconds:.3g}s"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
