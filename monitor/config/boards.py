"""The boards: the shipped ones, and a user's folder that adds to them, replaces or extends them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Final

from pydantic import RootModel

from monitor.assets import assets
from monitor.config.catalogue import load_catalogue, raise_for
from monitor.config.promql import problem_of_panel
from monitor.config.yamlfile import Document, Path, dotted
from monitor.domain.boards.board import COLUMNS, Board, Catalogue, Panel, Row
from monitor.domain.names import name_problem
from monitor.errors import Problem
from monitor.render.grafana.fill import PLACEHOLDERS, unknown_placeholders

FOLDER: Final = "dashboards"
_HIGHEST: Final = 60
_SHARES: Final = ("%{objective}", "%{budget}")


class BoardFile(RootModel[Board]):
    """One file."""


def load_boards(extra: FilePath | None = None) -> Catalogue:
    """The shipped boards with those of the folder `extra`, `generate.dashboards` of bgmon.yml, over them.

    Raises:
        ConfigError: with every problem found: file, line, key, and the nearest valid key.
    """
    folders = [assets(FOLDER), *([extra] if extra else [])]
    files = {
        FilePath(document.file).stem: (document, entry.root) for document, entry in load_catalogue(BoardFile, *folders)
    }
    problems: list[Problem] = []
    for name, (document, board) in files.items():
        problems.extend(_problems(name, document, board, files))
    raise_for(problems)
    boards = {name: board for name, (_, board) in files.items() if not board.extends}
    for _, board in files.values():
        if board.extends:
            boards[board.extends] = _extended(boards[board.extends], board)
    return Catalogue(boards)


def _extended(base: Board, more: Board) -> Board:
    new = {row.title: row for row in more.rows}
    kept = tuple(new.pop(row.title, row) for row in base.rows)
    return replace(base, rows=(*kept, *new.values()), tags=tuple(dict.fromkeys((*base.tags, *more.tags))))


def _problems(name: str, document: Document, board: Board, files: dict[str, tuple[Document, Board]]) -> list[Problem]:
    file = document.file
    found: list[Problem] = []
    wrong = name_problem(name)
    if wrong:
        found.append(Problem(file, 0, "", f"the name of the file {wrong}"))
    if board.extends and (board.extends not in files or files[board.extends][1].extends):
        known = ", ".join(sorted(key for key, (_, other) in files.items() if not other.extends))
        found.append(Problem(file, document.line(("extends",)), "extends", f"is no board; there are: {known}"))
    if not board.extends and not board.title:
        found.append(Problem(file, 0, "title", "is missing"))
    if not board.rows:
        found.append(Problem(file, 0, "rows", "is missing"))
    for number, row in enumerate(board.rows):
        found.extend(_row_problems(document, row, number))
    return found


def _row_problems(document: Document, row: Row, number: int) -> list[Problem]:
    found: list[Problem] = []
    for index, panel in enumerate(row.panels):
        path = ("rows", number, "panels", index)
        for inner, message in _panel_problems(panel):
            whole = (*path, *inner)
            found.append(Problem(document.file, document.line(whole), dotted(whole), message))
    return found


def _panel_problems(panel: Panel) -> Iterator[tuple[Path, str]]:
    """(path below the panel, what is wrong)."""
    if not panel.title.strip() or not panel.description.strip():
        yield (), "needs a title and a description for people on call"
    if not panel.queries and panel.type != "text":
        yield ("queries",), "is missing"
    if not 1 <= panel.width <= COLUMNS:
        yield ("width",), f"is not between 1 and {COLUMNS}, the columns of the grid"
    if not 1 <= panel.height <= _HIGHEST:
        yield ("height",), f"is not between 1 and {_HIGHEST}"
    for place, query in enumerate(panel.queries):
        for key, text in (("expr", query.expr), ("legend", query.legend)):
            for unknown in unknown_placeholders(text):
                yield ("queries", place, key), f"%{{{unknown}}} is unknown; known: {', '.join(PLACEHOLDERS)}"
        refused = problem_of_panel(query) if query.source == "prometheus" else ""
        if refused and not unknown_placeholders(query.expr):
            yield ("queries", place, "expr"), refused
    yield from _color_problems(panel)


def _color_problems(panel: Panel) -> Iterator[tuple[Path, str]]:
    for place, step in enumerate(panel.thresholds):
        if isinstance(step.value, str) and (
            step.value not in _SHARES or not any(query.each for query in panel.queries)
        ):
            yield (
                ("thresholds", place, "value"),
                f"is a number, or with a query for each objective {' or '.join(_SHARES)}",
            )
    for place, column in enumerate(panel.columns):
        if any(isinstance(step.value, str) for step in column.thresholds):
            yield ("columns", place, "thresholds"), "takes numbers only"
    for place, paint in enumerate(panel.paint):
        try:
            re.compile(paint.series)
        except re.error as error:
            yield ("paint", place, "series"), f"is no regular expression: {error}"
