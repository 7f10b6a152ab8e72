"""`bgmon logs --test`: how a line is read for request metrics."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from monitor.cli.output import emit_json
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.bootstrap import App


def show_reading(app: App, service: str | None, line: str, *, as_json: bool) -> None:
    """Read the lines by the rule of `service`, or of the service that a line of the proxy's log names.

    Raises:
        UsageError: no rule can be told.
    """
    from monitor.domain.logs.lines import split_lines
    from monitor.services.logmetrics.explain import explain_line

    data = _stdin() if line == "-" else line.encode("utf-8", "surrogateescape")
    told = []
    for read in split_lines(data):
        text = read.decode("utf-8", "replace")
        name = service or _named(app, read)
        rule, events = app.wiring.log_rules.get(name), app.wiring.event_rules.get(name)
        if rule is None and events is None:
            hint = f"these have: {', '.join(sorted(app.wiring.log_rules)) or 'none'}"
            raise UsageError(f"{name} has no request metrics", hint=hint)
        format_ = rule.format if rule is not None else events.format if events is not None else ""
        told.append((name, text, format_, explain_line(rule, read, events)))
    if as_json:
        emit_json(
            {
                "lines": [
                    {
                        "line": text,
                        "service": name,
                        "format": format_,
                        "fields": explained.raw,
                        "counted": list(explained.counted),
                        **{key: value for key, value in asdict(explained.reading).items() if key != "service"},
                    }
                    for name, text, format_, explained in told
                ]
            }
        )
        return
    colors = {"request": "green", "health": "yellow", "unparsed": "red", "other": "blue"}
    for name, _, format_, explained in told:
        click.secho(explained.reading.kind, fg=colors[explained.reading.kind], bold=True, nl=False)
        click.echo(f"  {name}, format {format_}")
        for field, value in explained.raw.items():
            click.echo(f"  {field:<9} {value!r}")
        for text in explained.counted:
            click.echo(f"  counts as {text}")


def _stdin() -> bytes:
    """Standard input as it is: a log may hold bytes that are no text."""
    raw = getattr(sys.stdin, "buffer", None)
    return raw.read() if raw is not None else sys.stdin.read().encode("utf-8", "surrogateescape")


def _named(app: App, line: bytes) -> str:
    """The service a line names, else the only one there is."""
    try:
        data = json.loads(line)
    except ValueError:
        data = None
    named = data.get("service") if isinstance(data, dict) else None
    if isinstance(named, str):
        return named
    if len(app.wiring.log_rules) == 1:
        return next(iter(app.wiring.log_rules))
    raise UsageError("the line does not name its service", hint="name it: bgmon logs SERVICE --test LINE")
