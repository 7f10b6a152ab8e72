"""Sites and boards for tests: the sample project, and one with the strangest legal names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitor.config.boards import load_boards
from monitor.config.loader import load_file
from monitor.config.site import site_of
from monitor.render.boards import render_boards
from monitor.render.site import Objective, Site, SiteHost, SiteService

ROOT = Path(__file__).parent.parent.parent
LONG_NAME = "a" * 61 + ".9"
STRANGE_NAMES = ("a.b", "a-b", "a_b", "a--b", "0", "x.y-z_1", LONG_NAME, "overview", "_".join("ab"))


def shop_site() -> Site:
    return site_of(load_file(ROOT / "examples/shop/bgmon.yml", {}))


def strange_site() -> Site:
    objectives = (Objective("availability", 0.9995), Objective("latency", 0.99, 1.0))
    names = dict.fromkeys(STRANGE_NAMES)
    return Site(
        project="p.q-r_s",
        services=tuple(SiteService(name, objectives) for name in sorted(names)),
        hosts=(SiteHost("h1", "127.0.0.1:9180"),),
        jobs=True,
    )


def boards_of(site: Site) -> dict[str, dict[str, Any]]:
    """Every rendered board, parsed, by its file's name."""
    return {Path(path).stem: json.loads(text) for path, text in render_boards(load_boards(), site).items()}


def panels_of(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those inside collapsed rows too; rows themselves are none."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def targets_of(board: dict[str, Any], source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, target) for every query to that kind of data source, annotations included."""
    for panel in panels_of(board):
        for target in panel["targets"]:
            if target["datasource"]["type"] == source:
                yield f"{board['uid']}: {panel['title']} {target['refId']}", target
    for note in board["annotations"]["list"]:
        if note["datasource"]["type"] == source:
            yield f"{board['uid']}: {note['name']}", note
