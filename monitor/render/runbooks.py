"""The runbook board: every page as a panel of one board, so that a link in an alert opens it with nothing to host."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.render.grafana.uid import board_uid
from monitor.render.grafana.variables import links, variables
from monitor.render.links import RUNBOOKS, panel_of
from monitor.render.rules import Rule
from monitor.render.site import Site

_HEIGHT = 14


def runbook_board(site: Site, rules: Sequence[Rule], pages: Mapping[str, str]) -> dict[str, str]:
    """`pages` are Markdown texts by name; a rule without one gets its own description as a page."""
    texts = dict(pages)
    for rule in rules:
        texts.setdefault(rule.runbook, f"# {rule.name}\n\n{rule.description}\n")
    used = sorted({rule.runbook for rule in rules})
    panels = [_panel(name, texts[name], panel_of(rules)[name], at) for at, name in enumerate(used)]
    board: dict[str, Any] = {
        "annotations": {"list": []},
        "description": "What to do when an alert fires. Made from docs/runbooks.",
        "editable": False,
        "graphTooltip": 0,
        "links": links(site.project),
        "panels": panels,
        "schemaVersion": 39,
        "tags": ["bgmon", f"bgmon-{site.project}", "runbooks"],
        # The same as on the other boards, so that a link from one to the other keeps what was chosen.
        "templating": {"list": variables(None, prometheus=site.source_uid("prometheus"), loki=site.source_uid("loki"))},
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "title": f"Runbooks: {site.project}",
        "uid": board_uid(site.project, RUNBOOKS),
    }
    return {f"grafana/dashboards/{RUNBOOKS}.json": json.dumps(board, ensure_ascii=False, indent=2) + "\n"}


def _panel(name: str, text: str, number: int, at: int) -> dict[str, Any]:
    title = re.match(r"#\s*(.+)", text)
    return {
        "id": number,
        "type": "text",
        "title": title[1].strip() if title else name,
        "description": f"The runbook page {name}.",
        "gridPos": {"h": _HEIGHT, "w": 24, "x": 0, "y": at * _HEIGHT},
        "options": {"mode": "markdown", "content": text.partition("\n")[2].strip() if title else text},
    }
