"""Pushing boards to Grafana without ever writing over what a person made or changed there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from monitor.errors import BoardMoved
from monitor.ports.grafana import Grafana, StoredBoard

MESSAGE: Final = "bgmon grafana push"
# What Grafana keeps for itself.
_GRAFANAS_OWN: Final = frozenset({"id", "version", "iteration"})

BoardFate = Literal["new", "changed", "same", "conflict"]


@dataclass(frozen=True, slots=True)
class BoardPlan:
    """What becomes of one board. `why` says why it is a conflict."""

    uid: str
    title: str
    board: dict[str, Any]
    fate: BoardFate
    why: str = ""
    stored: StoredBoard | None = None

    @property
    def before(self) -> str:
        return readable(self.stored.board) if self.stored else ""

    @property
    def after(self) -> str:
        return readable(self.board)


def readable(board: dict[str, Any]) -> str:
    """Without what Grafana adds, sorted: equal boards have equal texts."""
    kept = {key: value for key, value in board.items() if key not in _GRAFANAS_OWN}
    return json.dumps(kept, ensure_ascii=False, indent=2, sort_keys=True)


def planned_pushes(boards: Iterable[dict[str, Any]], grafana: Grafana, *, folder: str, force: bool) -> list[BoardPlan]:
    """Raises UnreachableError or GrafanaError."""
    return [_plan(board, grafana.find(board["uid"]), folder=folder, force=force) for board in boards]


def _plan(board: dict[str, Any], stored: StoredBoard | None, *, folder: str, force: bool) -> BoardPlan:
    uid, title = str(board["uid"]), str(board["title"])
    if stored is None:
        return BoardPlan(uid, title, board, "new")
    if stored.provisioned:
        why = "Grafana reads this board from a file: change the file, with bgmon generate"
        same = readable(stored.board) == readable(board)
        return BoardPlan(uid, title, board, "same" if same else "conflict", "" if same else why, stored)
    if readable(stored.board) == readable(board) and stored.folder == folder:
        return BoardPlan(uid, title, board, "same", stored=stored)
    if not stored.message.startswith(MESSAGE) and not force:
        why = f"somebody changed or made it in Grafana (version {stored.version}"
        why += f", {stored.message!r})" if stored.message else ")"
        return BoardPlan(uid, title, board, "conflict", why, stored)
    return BoardPlan(uid, title, board, "changed", stored=stored)


def carry_out(
    plans: Sequence[BoardPlan], grafana: Grafana, *, folder: str, folder_title: str, force: bool
) -> list[BoardPlan]:
    """Save what is new or changed; the plans as they turned out, since somebody may have been faster.

    Raises UnreachableError or GrafanaError; what was saved by then stays, and a second run goes on from there.
    """
    if any(item.fate in ("new", "changed") for item in plans):
        grafana.ensure_folder(folder, folder_title)
    return [_save(item, grafana, folder=folder, force=force) for item in plans]


def _save(item: BoardPlan, grafana: Grafana, *, folder: str, force: bool) -> BoardPlan:
    if item.fate in ("same", "conflict"):
        return item
    version = item.stored.version if item.stored else None
    try:
        grafana.save(item.board, folder=folder, message=MESSAGE, version=version, force=force)
    except BoardMoved as moved:
        return BoardPlan(item.uid, item.title, item.board, "conflict", str(moved), item.stored)
    return item
