"""How commands speak: text for people, one JSON document (or a line per event) for scripts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from monitor.errors import BgmonError, ConfigError, Problem


def emit_json(document: Any) -> None:
    """One JSON document on stdout, stable in order."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def emit_event(event: dict[str, Any]) -> None:
    """One JSON object on one line, at once."""
    click.echo(json.dumps(event, ensure_ascii=False))
    sys.stdout.flush()


@contextmanager
def unheard() -> Iterator[None]:
    """For those who change things: when nobody can hear us any more (a closed pipe, a full disk), go on in silence."""
    try:
        yield
    except OSError:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process


def report_error(error: BgmonError, *, as_json: bool) -> None:
    """The error and what to do next: on stderr, and with --json as an object on stdout as well."""
    if as_json:
        document: dict[str, Any] = {"event": "failed", "error": str(error), "hint": error.hint, "exit": error.exit_code}
        if isinstance(error, ConfigError):
            document["problems"] = noted_json(error.problems)
        emit_event(document)
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(str(error), err=True)
    if error.hint:
        click.echo(f"  -> {error.hint}", err=True)


def noted_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """Places in a file and what is said of them."""
    return [
        {"file": problem.file, "line": problem.line, "key": problem.key, "message": problem.message}
        for problem in problems
    ]


def show_notes(notes: Sequence[Problem]) -> None:
    """On stderr: nothing failed, but somebody should know."""
    for note in notes:
        click.secho("note: ", fg="yellow", bold=True, nl=False, err=True)
        click.echo(str(note), err=True)


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A plain aligned table, readable by people and by awk."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [headings, *rows]]
    return "\n".join(line.rstrip() for line in lines)
