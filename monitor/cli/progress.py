"""How a deploy is shown: for people with colors and a progress bar, for scripts as one JSON object a line."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.output import emit_event, unheard

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from monitor.services.deploy.deps import DeployEvent

MARKS: Final = {
    "deployed": "[bold green]✔[/]",
    "restarted": "[green]✔[/]",
    "started": "[cyan]▶[/]",
    "healthy": "[green]✔[/]",
    "waiting": "[yellow]…[/]",
    "switched": "[bold cyan]⇄[/]",
    "switched-back": "[bold yellow]⇄[/]",
    "released": "[green]✔[/]",
    "output": "[dim]│[/]",
    "warning": "[yellow]![/]",
    "recovered": "[yellow]↺[/]",
    "failed": "[bold red]✘[/]",
}


@contextmanager
def reporter(*, as_json: bool, verbose: int) -> Iterator[Callable[[DeployEvent], None]]:
    """The function that is told each event; safe to call from several threads."""
    lock = threading.Lock()
    if as_json:

        def emit(event: DeployEvent) -> None:
            if event.event != "progress" or verbose:
                with lock, unheard():
                    emit_event(as_document(event))

        yield emit
        return
    if not sys.stdout.isatty():  # CI's log: neither colors nor bars, and no time to import them

        def say(event: DeployEvent) -> None:
            with lock, unheard():
                plain(event, verbose)

        yield say
        return
    from rich.console import Console  # slow to import
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(highlight=False)
    columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        human = _Human(console, bars, verbose)

        def show(event: DeployEvent) -> None:
            with lock, unheard():
                human.show(event)

        yield show


def plain(event: DeployEvent, verbose: int) -> None:
    """One line an event, as the colored form has them."""
    if event.event == "progress" or (event.event == "gate" and not verbose):
        return
    mark = re.sub(r"\[[^]]*\]", "", MARKS.get(event.event, "·"))
    click.echo(f"{mark} {event.service}  {event.text}")
    if event.event == "hook" and verbose and event.data.get("output"):
        click.echo(str(event.data["output"]).rstrip())


class _Human:
    def __init__(self, console: Console, bars: Progress, verbose: int) -> None:
        self._console = console
        self._bars = bars
        self._verbose = verbose
        self._tasks: dict[str, TaskID] = {}

    def show(self, event: DeployEvent) -> None:
        from rich.markup import escape

        if event.event == "progress":
            task = self._tasks.get(event.service)
            if task is None:
                task = self._tasks[event.service] = self._bars.add_task(event.service, total=None)
            self._bars.update(task, completed=event.data["current"], total=event.data["total"] or None)
            return
        if event.event == "gate" and not self._verbose:
            return
        if event.event == "pulled" and event.service in self._tasks:
            self._bars.remove_task(self._tasks.pop(event.service))
        mark = MARKS.get(event.event, "[dim]·[/]")
        self._console.print(f"{mark} [bold]{escape(event.service)}[/]  {escape(event.text)}", soft_wrap=True)
        if event.event == "hook" and self._verbose and event.data.get("output"):
            self._console.print(escape(str(event.data["output"]).rstrip()), style="dim", soft_wrap=True)


def as_document(event: DeployEvent) -> dict[str, Any]:
    """An event as `--json` prints it (docs/json.md)."""
    head = {"event": event.event, "service": event.service, "at": round(event.at, 6), "text": event.text}
    return {**head, **event.data}
