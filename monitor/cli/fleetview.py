"""How a rollout is shown: a line a host for people, one JSON object a line for scripts."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

from monitor.cli.output import emit_event, unheard
from monitor.cli.progress import MARKS

Tell = Callable[[str, Mapping[str, Any]], None]
_STATES: Final = {
    "done": "[green]✔[/]",
    "failed": "[red]✘[/]",
    "unknown": "[red]?[/]",
    "undone": "[yellow]↺[/]",
    "ok": "[green]✔[/]",
    "changed": "[green]✔[/]",
    "would": "[cyan]+[/]",
    "skipped": "[yellow]![/]",
}
_QUIET: Final = frozenset({"progress", "gate", "held"})


@contextmanager
def host_reporter(hosts: Sequence[str], *, as_json: bool, verbose: int) -> Iterator[Tell]:
    """The function that is told each host's events; safe to call from several threads."""
    lock = threading.Lock()
    if as_json:

        def emit(host: str, event: Mapping[str, Any]) -> None:
            if event.get("event") != "progress" or verbose:
                with lock, unheard():
                    emit_event({"event": event.get("event"), "host": host, "at": round(time.time(), 6), **event})

        yield emit
    elif not sys.stdout.isatty():
        width = max(map(len, hosts))

        def say(host: str, event: Mapping[str, Any]) -> None:
            if event.get("event") not in _QUIET or (verbose and event.get("event") == "gate"):
                with lock, unheard():
                    click.echo(f"{host.ljust(width)}  {_plain(event)}")

        yield say
    else:
        with _live(hosts) as show:

            def draw(host: str, event: Mapping[str, Any]) -> None:
                with lock, unheard():
                    show(host, event)

            yield draw


def _plain(event: Mapping[str, Any]) -> str:
    mark = re.sub(r"\[[^]]*\]", "", _mark(event))
    service = str(event.get("service", ""))
    return " ".join(part for part in (mark, service, str(event.get("text") or event.get("error") or "")) if part)


def _mark(event: Mapping[str, Any]) -> str:
    if event.get("event") in {"host", "step"}:
        return _STATES.get(str(event.get("state")), "·")
    return MARKS.get(str(event.get("event")), "·")


@contextmanager
def _live(hosts: Sequence[str]) -> Iterator[Tell]:
    from rich.console import Console
    from rich.live import Live
    from rich.markup import escape
    from rich.table import Table

    rows: dict[str, tuple[str, str, str]] = dict.fromkeys(hosts, ("[dim]·[/]", "", "waiting"))

    def drawn() -> Table:
        grid = Table.grid(padding=(0, 2))
        for host, (mark, service, text) in rows.items():
            grid.add_row(mark, f"[bold]{escape(host)}[/]", escape(service), escape(text))
        return grid

    with Live(drawn(), console=Console(highlight=False), refresh_per_second=10) as live:

        def show(host: str, event: Mapping[str, Any]) -> None:
            text = str(event.get("text") or event.get("error") or event.get("event"))
            if event.get("event") == "progress" and event.get("total"):
                text = f"{text} {event['current'] / event['total']:.0%}"
            rows[host] = (_mark(event), str(event.get("service", "")), text.splitlines()[0])
            live.update(drawn())

        yield show
