"""Boards as Grafana's JSON files."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from monitor.domain.boards.board import Catalogue
from monitor.render.grafana.board import BoardLinks, board_json, ready_boards
from monitor.render.site import Site

FOLDER: Final = "grafana/dashboards"


def render_boards(catalogue: Catalogue, site: Site) -> dict[str, str]:
    """The text of every board by its path, such as grafana/dashboards/core.json.

    A service's board is called like the service, the project's ones have an underscore before their names, which no
    service's name begins with.
    """
    link = BoardLinks(site)
    return {f"{FOLDER}/{ready.name}.json": text(board_json(ready, link)) for ready in ready_boards(catalogue, site)}


def text(board: dict[str, Any]) -> str:
    # Indented by msgspec: json's own indentation is pure Python and took most of the time for many boards.
    return msgspec.json.format(msgspec.json.encode(board), indent=2).decode() + "\n"
